package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// system is what clients connect to.
type system struct {
	gateways []string // URLs (ws://…/ws)
	token    func(user string) (string, error)
}

const (
	dialTimeout  = 5 * time.Second
	writeTimeout = 5 * time.Second
	replyTimeout = 10 * time.Second
)

// dial opens a connection to any gateway.
func (s *system) dial(ctx context.Context, rng *rand.Rand, user string, opts client.Options) (*client.Client, error) {
	token, err := s.token(user)
	if err != nil {
		return nil, err
	}
	opts.DialTimeout, opts.WriteTimeout, opts.ReplyTimeout = dialTimeout, writeTimeout, replyTimeout
	return client.Dial(ctx, s.gateways[rng.IntN(len(s.gateways))], token, opts)
}

// sleep waits for d; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// between is a random duration.
func between(rng *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rng.Int64N(int64(max(to-from, 1))))
}
