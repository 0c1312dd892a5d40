//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// memory is the size of a server at one moment, in bytes.
type memory struct {
	Sockets int   `json:"sockets"`
	RSS     int64 `json:"rss"`
	Heap    int64 `json:"heap_inuse"`  // 0 when /metrics does not tell
	Stack   int64 `json:"stack_inuse"` // likewise
}

// measureIdle does it with the whole cluster in one process, and then with a process
// for each role.
func measureIdle(ctx context.Context, set settings, log io.Writer) (reps []idleReport, err error) {
	for _, spec := range []cluster.Spec{
		{All: 1},
		{NATS: 1, Redis: true, Gateways: 1, Routers: 1, Presences: 1},
	} {
		more, err := fill(ctx, set, spec, log)
		if err != nil {
			return nil, err
		}
		reps = append(reps, more...)
	}
	return reps, nil
}

// fill fills fresh servers with connections, each of another user, that are subscribed to one
// topic and do nothing, and looks at their memory before, at a fifth, and at the
// end: what the start of the first connections costs once is in the first
// figure and not in the slope.
func fill(ctx context.Context, set settings, spec cluster.Spec, log io.Writer) (reps []idleReport, err error) {
	sys, err := startSystem(ctx, set, spec)
	if err != nil {
		return nil, err
	}
	defer func() { err = sys.stop(err) }()
	sw, err := swarm.New()
	if err != nil {
		return nil, err
	}
	defer sw.Close()
	var servers []*cluster.Process
	for _, p := range sys.cluster.Processes() {
		if p.Role != cluster.NATS && p.Role != cluster.Redis {
			servers = append(servers, p)
			reps = append(reps, idleReport{Role: p.Role})
		}
	}
	for _, n := range []int{0, set.idle / 5, set.idle} {
		fmt.Fprintf(log, "idle: %d sockets\n", n)
		err := sw.Dial(ctx, sys.addrs[0], n-sw.Len(), func(i int) (swarm.Greeting, error) { return greeting(i, topicAll) })
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		if err := settleMemory(ctx, servers, sw); err != nil {
			return nil, err
		}
		for i, p := range servers {
			m, err := memoryOf(ctx, p)
			if err != nil {
				return nil, err
			}
			m.Sockets = n
			reps[i].Samples = append(reps[i].Samples, m)
		}
	}
	for i := range reps {
		reps[i].finish()
	}
	return reps, nil
}

// settleMemory waits until the resident sizes have stood still for five seconds, in which a quiet process gives memory back, within
// one part in two hundred, but not longer than 20 s.
func settleMemory(ctx context.Context, servers []*cluster.Process, sw *swarm.Swarm) error {
	const step, still = 250 * time.Millisecond, 20
	was := make([]int64, len(servers))
	same := 0
	for end := time.Now().Add(20 * time.Second); same < still && time.Now().Before(end); {
		same++
		for i, p := range servers {
			rss, err := residentBytes(p.PID())
			if err != nil {
				return err
			}
			if diff := rss - was[i]; max(diff, -diff) > was[i]/200 {
				was[i], same = rss, 0
			}
		}
		// Polling notices a server that closes the sockets.
		if err := pollFor(sw, step); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func memoryOf(ctx context.Context, p *cluster.Process) (m memory, err error) {
	if m.RSS, err = residentBytes(p.PID()); err != nil {
		return m, err
	}
	for name, at := range map[string]*int64{"go_memstats_heap_inuse_bytes": &m.Heap, "go_memstats_stack_inuse_bytes": &m.Stack} {
		v, err := p.Metric(ctx, name, nil)
		if err != nil && !errors.Is(err, cluster.ErrNoMetric) {
			return m, err
		}
		*at = int64(v)
	}
	return m, nil
}
