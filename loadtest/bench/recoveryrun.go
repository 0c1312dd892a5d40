//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// recoveryRun is the scenario: crowds that come and go, and one client that publishes meanwhile.
type recoveryRun struct {
	sys       *system
	set       settings
	crowds    []*crowd
	publisher *client.Client
	sent      map[string]int             // messages by topic
	at        map[string]client.Position // of the last one
}

func (r *recoveryRun) open(ctx context.Context) error {
	r.sent, r.at = make(map[string]int), make(map[string]client.Position)
	for range (r.set.clients + crowdSize - 1) / crowdSize {
		c, err := startCrowd()
		if err != nil {
			return err
		}
		r.crowds = append(r.crowds, c)
	}
	t, err := token("publisher")
	if err != nil {
		return err
	}
	r.publisher, err = client.Dial(ctx, r.sys.cluster.WS()[0], t, client.Options{})
	return err
}

func (r *recoveryRun) close() {
	for _, c := range r.crowds {
		c.close()
	}
	if r.publisher != nil {
		r.publisher.Abort()
	}
}

// connect has all clients connect who missed nothing. What it costs the first time only does not count.
func (r *recoveryRun) connect(ctx context.Context, topics []string) (comingBack, error) {
	if err := r.publish(ctx, topics, 1); err != nil {
		return comingBack{}, err
	}
	o := &comeback{Topics: topics, From: 1}
	if _, err := r.measure(ctx, o); err != nil {
		return comingBack{}, err
	}
	if err := r.vanish(ctx); err != nil {
		return comingBack{}, err
	}
	return r.measure(ctx, o)
}

// comeBack has all of them lose their connections, miss messages, and come back.
func (r *recoveryRun) comeBack(ctx context.Context, topics []string, resume, restart bool) (back comingBack, err error) {
	if err := r.vanish(ctx); err != nil {
		return back, err
	}
	if r.sent[topics[0]] == 0 {
		if err := r.publish(ctx, topics, 1); err != nil {
			return back, err
		}
	}
	o := &comeback{Topics: topics, From: r.sent[topics[0]], Missed: r.set.missed, Resume: resume, Recover: !resume}
	for _, t := range topics {
		o.Positions = append(o.Positions, r.at[t])
	}
	if err := r.publish(ctx, topics, r.set.missed); err != nil {
		return back, err
	}
	if restart {
		if err := r.restart(ctx); err != nil {
			return back, err
		}
	}
	return r.measure(ctx, o)
}

// restart kills the owner of all topics, and waits until the gateways know another one.
func (r *recoveryRun) restart(ctx context.Context) error {
	if err := r.sys.cluster.Routers[0].Restart(ctx); err != nil {
		return err
	}
	for end := time.Now().Add(20 * time.Second); ; {
		_, err := r.publisher.Subscribe(ctx, "plain")
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("restart the router: %w", err)
		}
	}
}

// measure has all clients connect, and waits until they have what they missed.
func (r *recoveryRun) measure(ctx context.Context, how *comeback) (back comingBack, err error) {
	before, err := r.counters(ctx)
	if err != nil {
		return back, err
	}
	how.AtOnce = max(r.set.atOnce/len(r.crowds), 1)
	times := histogram{}
	cost, err := r.sys.costOf(func() error {
		begin := time.Now()
		for i, c := range r.crowds {
			first, last := r.set.clients*i/len(r.crowds), r.set.clients*(i+1)/len(r.crowds)
			if err := c.give(order{Do: doReturn, Addrs: r.sys.addrs, First: first, Count: last - first, Return: how}); err != nil {
				return err
			}
		}
		for _, c := range r.crowds {
			a, err := c.answer()
			if err != nil {
				return err
			}
			times.merge(&a.Back.Times)
			back.Resumed += a.Back.Resumed
		}
		back.Seconds = time.Since(begin).Seconds()
		time.Sleep(r.set.confirmTime()) // the price of knowing that they have read it belongs to it
		return nil
	})
	if err != nil {
		return back, err
	}
	after, err := r.counters(ctx)
	if err != nil {
		return back, err
	}
	back.Client, back.Deliveries = times.spread(), times.N*how.Missed
	back.CPU, back.Roles = micros(cost.sum(), r.set.clients), cost.per(r.set.clients)
	for i, to := range []*int{&back.Loads, &back.StoreReads, &back.MemoryReads, &back.Fetches, &back.Pages} {
		*to = int(after[i] - before[i])
	}
	return back, nil
}

// confirmTime is longer than it takes until sessions are saved with what their clients have read.
func (s settings) confirmTime() time.Duration {
	if s.brisk {
		return 300 * time.Millisecond
	}
	return 3 * time.Second
}

func (r *recoveryRun) counters(ctx context.Context) (list [5]float64, err error) {
	var errs []error
	for i, c := range []struct {
		of     []*cluster.Process
		name   string
		labels map[string]string
	}{
		{r.sys.cluster.Routers, "realtime_history_loads_total", nil},
		{r.sys.cluster.Routers, "realtime_history_reads_total", map[string]string{"from": "store"}},
		{r.sys.cluster.Routers, "realtime_history_reads_total", map[string]string{"from": "memory"}},
		{r.sys.cluster.Gateways, "realtime_gateway_fetches_total", nil},
		{r.sys.cluster.Gateways, "realtime_gateway_recovered_pages_total", nil},
	} {
		list[i], err = sumMetric(ctx, c.of, c.name, c.labels)
		errs = append(errs, err)
	}
	return list, errors.Join(errs...)
}

// vanish cuts all connections but the publisher's, and waits until the gateways have noticed and written the sessions.
func (r *recoveryRun) vanish(ctx context.Context) error {
	for _, c := range r.crowds {
		if err := c.give(order{Do: doVanish}); err != nil {
			return err
		}
		if _, err := c.answer(); err != nil {
			return err
		}
	}
	return r.sys.await(ctx, 1)
}

// publish sends messages to each topic, and waits until all are stored.
func (r *recoveryRun) publish(ctx context.Context, topics []string, n int) error {
	acks := make(chan error, n*len(topics))
	for range n {
		for _, t := range topics {
			k := r.sent[t]
			r.sent[t]++
			if err := r.publisher.Publish(t, payload(slotAll, k, r.set.payload), func(a client.Ack, err error) {
				if err == nil {
					r.at[t] = client.Position{Offset: a.Offset, Epoch: a.Epoch}
				}
				acks <- err
			}); err != nil {
				return err
			}
		}
	}
	for range cap(acks) {
		select {
		case err := <-acks:
			if err != nil {
				return fmt.Errorf("publish: %w", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
