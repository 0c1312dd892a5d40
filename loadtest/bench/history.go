//go:build linux

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// historyReport compares topics with history and topics without, on the same servers.
type historyReport struct {
	Name   string         `json:"name"`
	Shapes []historyShape `json:"shapes"`
}

// historyShape is messages to so many topics, each with one subscriber.
type historyShape struct {
	Topics int           `json:"topics"`
	Full   storedAndLive `json:"full"`   // as fast as it goes, with a number of messages under way
	Steady storedAndLive `json:"steady"` // at a set rate
}

// storedAndLive is the same with history and without.
type storedAndLive struct {
	Stored publishing `json:"stored"`
	Live   publishing `json:"live"`
	Ratio  float64    `json:"ratio"` // of the CPU medians
}

// publishing is what messages took until they were acked and delivered.
type publishing struct {
	Messages int                      `json:"messages"`
	Rate     figures                  `json:"acks_a_second"`
	CPU      figures                  `json:"us_per_message"` // of all servers
	Roles    map[cluster.Role]float64 `json:"us_per_message_by_role"`
	Ack      spread                   `json:"ack"`
	PerEntry float64                  `json:"messages_per_entry"` // of JetStream; 0 without history

	rate, cpu []float64 // by round
	roles     roleTimes
	times     histogram
	entries   float64
}

const (
	historyRounds     = 4 // of each kind; the first does not count
	historyPublishers = 20
	// historyWindow is how many messages of one publisher are under way, and so, with many topics, about one of each.
	historyWindow  = 50
	historyReaders = 100 // sockets over which many topics' subscriptions are spread
)

// storedRules gives all topics that begin with stored history.
const storedRules = `
history:
  - name: bench
    topics: ["stored.>"]
    size: 1000
    age: 1h
`

func measureHistory(ctx context.Context, set settings, log io.Writer) (reps []historyReport, err error) {
	for _, in := range []struct {
		name string
		spec cluster.Spec
	}{
		{"one process", cluster.Spec{All: 1}},
		{"1 gateway, 1 router, 3 NATS servers, 3 replicas", cluster.Spec{NATS: 3, Redis: true, Gateways: 1, Routers: 1, Presences: 1}},
	} {
		fmt.Fprintf(log, "history: %s\n", in.name)
		in.spec.Settings = storedRules
		rep, err := measureStored(ctx, set, in.spec, log)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.name, err)
		}
		rep.Name = in.name
		reps = append(reps, *rep)
	}
	return reps, nil
}

func measureStored(ctx context.Context, set settings, spec cluster.Spec, log io.Writer) (rep *historyReport, err error) {
	sys, err := startSystem(ctx, set, spec)
	if err != nil {
		return nil, err
	}
	defer func() { err = sys.stop(err) }()
	if err := sys.openStreams(ctx, log); err != nil {
		return nil, err
	}
	r := &historyRun{sys: sys, set: set}
	if r.swarm, err = swarm.New(); err != nil {
		return nil, err
	}
	defer r.swarm.Close()
	r.swarm.Text = r.text
	rep = &historyReport{Shapes: []historyShape{{Topics: 1}, {Topics: set.historyTopics}}}
	if err := r.connect(ctx, rep.Shapes); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	for round := range historyRounds {
		for i := range rep.Shapes {
			if err := r.shape(ctx, &rep.Shapes[i], r.loads[2*i:2*i+2], round > 0); err != nil {
				return nil, fmt.Errorf("%d topics: %w", rep.Shapes[i].Topics, err)
			}
		}
	}
	for i := range rep.Shapes {
		rep.Shapes[i].Full.finish()
		rep.Shapes[i].Steady.finish()
	}
	return rep, nil
}

// shape makes one round of each kind, in turns.
func (r *historyRun) shape(ctx context.Context, s *historyShape, loads []*load, counts bool) error {
	for _, in := range []struct {
		to   *storedAndLive
		send func(context.Context) error
	}{{&s.Full, r.full}, {&s.Steady, r.steady}} {
		for i, to := range []*publishing{&in.to.Stored, &in.to.Live} {
			if err := r.round(ctx, loads[i], to, in.send, counts); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *storedAndLive) finish() {
	for _, p := range []*publishing{&b.Stored, &b.Live} {
		p.Rate, p.CPU, p.Roles, p.Ack = sum(p.rate), sum(p.cpu), p.roles.per(p.Messages), p.times.spread()
		if p.entries > 0 {
			p.PerEntry = float64(p.Messages) / p.entries
		}
	}
	b.Ratio = b.Stored.CPU.Median / b.Live.CPU.Median
}
