//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// historyRun is the scenario: sockets 0 to historyPublishers-1 publish, the next ones are the loads' subscribers.
type historyRun struct {
	sys   *system
	set   settings
	swarm *swarm.Swarm
	loads []*load // by shape, with history and without

	of    []*load // by subscriber
	now   *load   // the one of this round
	sent  []time.Time
	until time.Time // publishers whose messages are acked send others until then
	acks  int
	times histogram
}

// load is the messages to some topics. Those of one publisher to one topic are a stream, numbered from 0: only these
// have an order that is known before.
type load struct {
	stored bool
	topics int
	sent   []int // by stream
	seen   []int // likewise
	read   int   // messages of this round
	turn   [historyPublishers]int
}

// connect opens the publishers, and the subscribers of each load.
func (r *historyRun) connect(ctx context.Context, shapes []historyShape) error {
	if err := r.swarm.Dial(ctx, r.sys.addrs[0], historyPublishers, func(i int) (swarm.Greeting, error) { return greeting(i) }); err != nil {
		return err
	}
	for _, s := range shapes {
		for _, stored := range []bool{true, false} {
			streams := s.Topics * historyPublishers
			l := &load{stored: stored, topics: s.Topics, sent: make([]int, streams), seen: make([]int, streams)}
			r.loads = append(r.loads, l)
			n := min(s.Topics, historyReaders)
			first := r.swarm.Len()
			if err := r.swarm.Dial(ctx, r.sys.addrs[0], n, func(i int) (swarm.Greeting, error) {
				r.of = append(r.of, l)
				var topics []string
				for t := i - first; t < s.Topics; t += n {
					topics = append(topics, l.topic(t))
				}
				return greeting(i, topics...)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *load) topic(t int) string {
	kind := "live"
	if l.stored {
		kind = "stored"
	}
	return fmt.Sprintf("%s.%d.%d", kind, l.topics, t)
}

// round sends messages of a load, and waits until all are acked and delivered.
func (r *historyRun) round(ctx context.Context, l *load, to *publishing, send func(context.Context) error, counts bool) error {
	r.now, r.sent, r.acks, r.times = l, r.sent[:0], 0, histogram{}
	l.read = 0
	entries, err := r.entries(ctx)
	if err != nil {
		return err
	}
	var took time.Duration
	cost, err := r.sys.costOf(func() error {
		begin := time.Now()
		if err := send(ctx); err != nil {
			return err
		}
		err := pollUntil(ctx, r.swarm, r.set.patience, func() bool { return r.acks == len(r.sent) && l.read == len(r.sent) })
		took = time.Since(begin)
		if err != nil {
			return fmt.Errorf("%d messages, %d acked, %d delivered: %w", len(r.sent), r.acks, l.read, err)
		}
		return nil
	})
	if err != nil || !counts {
		return err
	}
	after, err := r.entries(ctx)
	if err != nil {
		return err
	}
	n := len(r.sent)
	to.Messages += n
	to.entries += after - entries
	to.rate = append(to.rate, float64(n)/took.Seconds())
	to.cpu = append(to.cpu, micros(cost.sum(), n))
	to.times.merge(&r.times)
	if to.roles == nil {
		to.roles = make(roleTimes)
	}
	for role, d := range cost {
		to.roles[role] += d
	}
	return nil
}

// entries is how many entries the owners have had stored.
func (r *historyRun) entries(ctx context.Context) (float64, error) {
	return sumMetric(ctx, append(r.sys.cluster.Routers, r.sys.cluster.Alls...), "realtime_history_write_seconds_count", map[string]string{"role": "router"})
}

// sumMetric is a counter of several processes; 0 where none has it.
func sumMetric(ctx context.Context, list []*cluster.Process, name string, labels map[string]string) (all float64, err error) {
	for _, p := range list {
		v, err := p.Metric(ctx, name, labels)
		if err != nil && !errors.Is(err, cluster.ErrNoMetric) {
			return 0, err
		}
		all += v
	}
	return all, nil
}

// full keeps historyWindow messages of each publisher under way.
func (r *historyRun) full(context.Context) error {
	length := time.Duration(r.set.historySeconds * float64(time.Second))
	r.until = time.Now().Add(length)
	for range historyWindow {
		for p := range historyPublishers {
			if err := r.send(p); err != nil {
				return err
			}
		}
	}
	return pollFor(r.swarm, length)
}

// steady sends at the set rate.
func (r *historyRun) steady(ctx context.Context) error {
	r.until = time.Time{}
	total := int(r.set.historySeconds * float64(r.set.historyRate))
	return pace(ctx, r.swarm, r.set.historyRate, total, func(k int) error { return r.send(k % historyPublishers) })
}

// send sends the next message of a publisher, which goes through all topics; each begins elsewhere.
func (r *historyRun) send(p int) error {
	l := r.now
	t := (p*l.topics/historyPublishers + l.turn[p]) % l.topics
	stream := p*l.topics + t
	l.turn[p]++
	body := payload(stream, l.sent[stream], r.set.payload)
	l.sent[stream]++
	r.sent = append(r.sent, time.Now())
	return r.swarm.Send(p, broadcast(fmt.Sprintf("%d.%d.%d", p, len(r.sent)-1, l.turn[p]), l.topic(t), body))
}

// text is the swarm's callback.
func (r *historyRun) text(socket int, text []byte) error {
	switch kindOf(text) {
	case "Ack":
		return r.acked(socket, text)
	case "Broadcast":
		return r.delivered(socket, text)
	}
	return fmt.Errorf("unexpected message %.300s", text)
}

func (r *historyRun) acked(p int, text []byte) error {
	_, id, _ := bytes.Cut(text, []byte(`"id":"`))
	parts := strings.SplitN(string(id[:min(len(id), 40)]), ".", 3)
	k := -1
	if len(parts) == 3 {
		k, _ = number([]byte(parts[1]))
	}
	if want := status(r.now.stored); k < 0 || k >= len(r.sent) || r.sent[k].IsZero() || !bytes.Contains(text, want) || bytes.Contains(text, []byte(`"duplicate"`)) {
		return fmt.Errorf("unexpected Ack %.300s", text)
	}
	r.times.add(time.Since(r.sent[k]))
	r.sent[k] = time.Time{}
	r.acks++
	if time.Now().Before(r.until) {
		return r.send(p)
	}
	return nil
}

func status(stored bool) []byte {
	if stored {
		return []byte(`"status":"stored"`)
	}
	return []byte(`"status":"accepted"`)
}

func (r *historyRun) delivered(socket int, text []byte) error {
	l := r.of[socket-historyPublishers]
	_, rest, found := bytes.Cut(text, []byte(`{"slot":`))
	stream, rest := number(rest)
	rest, more := bytes.CutPrefix(rest, []byte(`,"seq":`))
	n, _ := number(rest)
	if !found || !more || stream < 0 || stream >= len(l.seen) {
		return fmt.Errorf("unexpected delivery %.300s", text)
	}
	if want := l.seen[stream]; n != want {
		return fmt.Errorf("message %d of %d arrived where %d was due: lost, doubled or reordered", n, stream, want)
	}
	l.seen[stream]++
	l.read++
	return nil
}
