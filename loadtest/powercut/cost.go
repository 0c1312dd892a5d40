//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/internal/latency"
)

// costs compares the systems that sync with those that do not, on the plain disk.
func costs(ctx context.Context, set *settings, out io.Writer) error {
	fmt.Fprintf(out, "\n%-41s %9s %9s %9s %11s %9s\n", "on the plain disk", "alone/s", "p50", "p99", "many/s", "p50")
	for _, s := range scenarios {
		if s.cut != everything || !set.plays(s.name) {
			continue
		}
		if err := s.cost(ctx, set, out); err != nil {
			return fmt.Errorf("cost of %s: %w", s.name, err)
		}
	}
	return nil
}

// Writers of the second measurement, and what each of them has under way.
const (
	crowd     = 16
	crowdHas  = 16
	warmUp    = 200
	topicName = "t.cost.%d"
)

func (s *scenario) cost(ctx context.Context, set *settings, out io.Writer) (err error) {
	c, err := cluster.Start(ctx, s.spec(set))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	p := &plant{cluster: c}
	alone, err := measure(ctx, p, 1, 1, set.cost)
	if err != nil {
		return err
	}
	many, err := measure(ctx, p, crowd, crowdHas, set.cost)
	if err != nil {
		return err
	}
	rate := func(l *latency.Histogram) float64 { return float64(l.Total) / set.cost.Seconds() }
	fmt.Fprintf(out, "%-41s %9.0f %9v %9v %11.0f %9v\n", s.name, rate(alone), alone.Quantile(0.5), alone.Quantile(0.99),
		rate(many), many.Quantile(0.5))
	return nil
}

// measure lets so many writers write to a topic each, with so many messages under way, and counts their Acks.
func measure(ctx context.Context, p *plant, writers, underWay int, d time.Duration) (*latency.Histogram, error) {
	var mu sync.Mutex
	all := new(latency.Histogram) // guarded by mu
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for i := range writers {
		wg.Go(func() {
			c, err := dial(ctx, p, p.cluster.WS()[0], fmt.Sprintf("cost%d", i))
			if err != nil {
				errs <- err
				return
			}
			defer c.Abort()
			errs <- pump(ctx, c, fmt.Sprintf(topicName, i), underWay, d, func(took time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				all.Add(took)
			})
		})
	}
	wg.Wait()
	for range writers {
		if err := <-errs; err != nil {
			return nil, err
		}
	}
	return all, nil
}

// pump sends a message whenever another is acknowledged.
func pump(ctx context.Context, c *client.Client, topic string, underWay int, d time.Duration, count func(time.Duration)) error {
	for range warmUp / underWay { // the stream is made at first
		if err := again(ctx, func() error { _, err := c.Broadcast(ctx, topic, payload); return err }); err != nil {
			return err
		}
	}
	slots := make(chan error, underWay)
	for range underWay {
		slots <- nil
	}
	end := time.Now().Add(d)
	for {
		if err := <-slots; err != nil {
			return err
		}
		start := time.Now()
		if start.After(end) {
			return nil
		}
		err := c.Publish(topic, payload, func(_ client.Ack, err error) {
			if err == nil && time.Now().Before(end) {
				count(time.Since(start))
			}
			slots <- err
		})
		if err != nil {
			return err
		}
	}
}
