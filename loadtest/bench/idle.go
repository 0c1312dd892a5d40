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

// memory is the size of the server at one moment, in bytes.
type memory struct {
	Sockets int   `json:"sockets"`
	RSS     int64 `json:"rss"`
	Heap    int64 `json:"heap_inuse"`  // 0 when /metrics does not tell
	Stack   int64 `json:"stack_inuse"` // likewise
}

// measureIdle fills a fresh server with connections that are subscribed to one
// topic and do nothing, and looks at its memory before, at a fifth, and at the
// end: what the start of the first connections costs once is in the first
// figure and not in the slope.
func measureIdle(ctx context.Context, set settings, log io.Writer) (rep *idleReport, err error) {
	srv, err := startServer(ctx, set)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := srv.stop(); err == nil {
			err = e
		}
	}()
	sw, err := swarm.New()
	if err != nil {
		return nil, err
	}
	defer sw.Close()
	rep = &idleReport{}
	for _, n := range []int{0, set.idle / 5, set.idle} {
		fmt.Fprintf(log, "idle: %d sockets\n", n)
		err := sw.Dial(ctx, srv.addr, n-sw.Len(), func(i int) (swarm.Greeting, error) {
			return srv.greeting(i, topicAll)
		})
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		m, err := settledMemory(ctx, srv.proc, sw)
		if err != nil {
			return nil, err
		}
		m.Sockets = n
		rep.Samples = append(rep.Samples, m)
	}
	rep.finish()
	return rep, nil
}

// settledMemory waits until the resident size has stood still for two seconds,
// within one part in two hundred, but not longer than 15 s.
func settledMemory(ctx context.Context, p *cluster.Process, sw *swarm.Swarm) (memory, error) {
	const step, still = 250 * time.Millisecond, 8
	var m memory
	same := 0
	for end := time.Now().Add(15 * time.Second); same < still && time.Now().Before(end); {
		rss, err := residentBytes(p.PID())
		if err != nil {
			return m, err
		}
		if diff := rss - m.RSS; max(diff, -diff) > m.RSS/200 {
			m.RSS, same = rss, 0
		} else {
			same++
		}
		// Polling notices a server that closes the sockets.
		for next := time.Now().Add(step); time.Now().Before(next); {
			if _, err := sw.Poll(time.Until(next)); err != nil {
				return m, err
			}
		}
		if err := ctx.Err(); err != nil {
			return m, err
		}
	}
	rss, err := residentBytes(p.PID())
	if err != nil {
		return m, err
	}
	m.RSS = rss
	for name, at := range map[string]*int64{"go_memstats_heap_inuse_bytes": &m.Heap, "go_memstats_stack_inuse_bytes": &m.Stack} {
		v, err := p.Metric(ctx, name, nil)
		if err != nil && !errors.Is(err, cluster.ErrNoMetric) {
			return m, err
		}
		*at = int64(v)
	}
	return m, nil
}
