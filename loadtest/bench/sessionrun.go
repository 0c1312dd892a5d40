//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
	"github.com/realtime-cluster/realtime/loadtest/usage"
)

// sessionTopic is the one of all connections.
const sessionTopic = "stored.session"

// sessionSide is the servers with sessions, or those without. The socket behind those of the clients publishes.
type sessionSide struct {
	sys     *system
	cost    *sessionCost
	clients int
	size    int
	swarm   *swarm.Swarm
	watch   watch
	sent    int

	resident, redis [2]int64 // with a fifth of the clients, and with all
}

func (s *sessionSide) open() (err error) {
	if s.swarm, err = swarm.New(); err != nil {
		return err
	}
	s.watch = watch{next: make([][]int, s.clients)}
	for i := range s.watch.next {
		s.watch.next[i] = []int{slotAll: s.sent, slotGroup: 0}
	}
	s.swarm.Text = s.watch.text
	return nil
}

func (s *sessionSide) close() { s.swarm.Close() }

// dial opens sockets until there are n.
func (s *sessionSide) dial(ctx context.Context, n int) error {
	err := s.swarm.Dial(ctx, s.sys.addrs[0], n-s.swarm.Len(), func(i int) (swarm.Greeting, error) {
		if i >= s.clients {
			return greeting(i)
		}
		return greeting(i, sessionTopic)
	})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// fillSides opens all sockets of the servers, which are new, and looks at their memory when a fifth of them is there, and all.
func fillSides(ctx context.Context, sides []*sessionSide) error {
	var gateways []*cluster.Process
	for _, s := range sides {
		gateways = append(gateways, s.sys.cluster.Gateways[0])
	}
	clients := sides[0].clients
	for i, n := range []int{clients / 5, clients} {
		for _, s := range sides {
			if err := s.dial(ctx, n); err != nil {
				return err
			}
		}
		if _, err := settledMemory(ctx, false, gateways, sides[0].swarm); err != nil {
			return err
		}
		for _, s := range sides {
			if err := s.memory(ctx, i); err != nil {
				return err
			}
		}
	}
	for _, s := range sides {
		n := float64(clients - clients/5)
		s.cost.GatewayBytes, s.cost.RedisBytes = float64(s.resident[1]-s.resident[0])/n, float64(s.redis[1]-s.redis[0])/n
		if err := s.dial(ctx, clients+1); err != nil {
			return err
		}
	}
	return nil
}

func (s *sessionSide) memory(ctx context.Context, i int) error {
	var err1, err2 error
	s.resident[i], err1 = usage.Resident(s.sys.cluster.Gateways[0].PID())
	s.redis[i], err2 = redisBytes(ctx, s.sys.cluster.Redis)
	return errors.Join(err1, err2)
}

// spell sends a message each second, to both at the same time: what a process uses is its own.
func spell(ctx context.Context, sides []*sessionSide, seconds int, counts bool) error {
	var before []roleTimes
	for _, s := range sides {
		used, err := s.sys.cpu()
		if err != nil {
			return err
		}
		before = append(before, used)
	}
	for begin, n := time.Now(), 0; n < seconds; n++ {
		for _, s := range sides {
			if err := s.publish(); err != nil {
				return err
			}
		}
		for end := begin.Add(time.Duration(n+1) * time.Second); time.Now().Before(end); {
			for _, s := range sides {
				if err := pollFor(s.swarm, 5*time.Millisecond); err != nil {
					return err
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	for i, s := range sides {
		after, err := s.sys.cpu()
		if err != nil {
			return err
		}
		if want := s.sent * s.clients; s.watch.deliveries != want {
			return fmt.Errorf("%d of %d deliveries: %w", s.watch.deliveries, want, errIncomplete)
		}
		if !counts {
			continue
		}
		for role := range after {
			after[role] -= before[i][role]
		}
		s.cost.Second.add(after, s.clients*seconds)
	}
	return nil
}

func (s *sessionSide) publish() error {
	n := s.sent
	s.sent++
	return s.swarm.Send(s.clients, broadcast(fmt.Sprintf("m%d", n), sessionTopic, payload(slotAll, n, s.size)))
}

// comeAndGo closes all sockets, and opens them anew.
func (s *sessionSide) comeAndGo(ctx context.Context, counts bool) error {
	gone, err := s.sys.costOf(func() error {
		s.swarm.Close()
		return s.sys.quiet(ctx)
	})
	if err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	come, err := s.sys.costOf(func() error {
		if err := s.dial(ctx, s.clients+1); err != nil {
			return err
		}
		return pollFor(s.swarm, writeTime)
	})
	if err == nil && counts {
		s.cost.Connect.add(come, s.clients+1)
		s.cost.Disconnect.add(gone, s.clients+1)
	}
	return err
}

// writeTime is longer than it takes until what is new of a session is written.
const writeTime = 600 * time.Millisecond

// quiet waits until all connections have ended, and their sessions are written.
func (s *system) quiet(ctx context.Context) error {
	if err := s.await(ctx, 0); err != nil {
		return err
	}
	time.Sleep(writeTime)
	return nil
}

// await waits until so many connections are open, and no session waits to be written.
func (s *system) await(ctx context.Context, connections int) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		open, err1 := sumMetric(ctx, s.cluster.Gateways, "realtime_gateway_connections", nil)
		pending, err2 := sumMetric(ctx, s.cluster.Gateways, "realtime_sessions_pending", nil)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if open == float64(connections) && pending == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%.0f connections instead of %d, %.0f sessions not written", open, connections, pending)
		}
	}
}
