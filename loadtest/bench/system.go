//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/usage"
)

// secret signs the tokens of the servers under test.
const secret = "bench-secret-of-thirty-two-bytes-or-more"

// system is the processes under test.
type system struct {
	cluster *cluster.Cluster
	addrs   []netip.AddrPort // of what takes clients
}

// oneAndSplit are two systems that are compared.
var oneAndSplit = []struct {
	name string
	spec cluster.Spec
}{
	{"one process", cluster.Spec{All: 1}},
	{"2 gateways, 1 router, 2 presence nodes", cluster.Spec{NATS: 1, Redis: true, Gateways: 2, Routers: 1, Presences: 2}},
}

// startSystem starts the processes of spec. They have no limits in the way, and no
// heartbeat of a client falls into a round.
func startSystem(ctx context.Context, set settings, spec cluster.Spec) (*system, error) {
	spec.Binary, spec.Secret = set.binary, secret
	spec.Env = append([]string{
		"RATE_LIMIT_ENABLED=false",
		"MAX_CONNECTIONS=1000000",
		"HEARTBEAT_INTERVAL=30m",
		"CLIENT_TIMEOUT=1h",
		"LOG_LEVEL=warn",
	}, append(spec.Env, set.env...)...)
	c, err := cluster.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	s := &system{cluster: c}
	for _, p := range append(c.Gateways, c.Alls...) {
		s.addrs = append(s.addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(p.Port)))
	}
	return s, nil
}

// stop kills the processes, and passes err on, or what went wrong with that: how
// they end is not measured here.
func (s *system) stop(err error) error {
	if e := s.cluster.Close(); err == nil && e != nil {
		return fmt.Errorf("stop the servers: %w", e)
	}
	return err
}

// cpu is the CPU time that the processes of each role have used.
func (s *system) cpu() (roleTimes, error) {
	t := make(roleTimes)
	for _, p := range s.cluster.Processes() {
		used, err := usage.CPU(p.PID())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		t[p.Role] += used
	}
	return t, nil
}

// costOf is the CPU time that each role uses while f runs.
func (s *system) costOf(f func() error) (roleTimes, error) {
	time.Sleep(settle)
	before, err := s.cpu()
	if err != nil {
		return nil, err
	}
	if err := f(); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	after, err := s.cpu()
	if err != nil {
		return nil, err
	}
	for role := range after {
		after[role] -= before[role]
	}
	return after, nil
}

// roleTimes is CPU time by role.
type roleTimes map[cluster.Role]time.Duration

func (t roleTimes) sum() (all time.Duration) {
	for _, d := range t {
		all += d
	}
	return all
}

// per is how many microseconds that is for each of n things, by role.
func (t roleTimes) per(n int) map[cluster.Role]float64 {
	m := make(map[cluster.Role]float64)
	for role, d := range t {
		m[role] = micros(d, n)
	}
	return m
}

// token signs one for a user that outlives any run.
func token(user string) (string, error) { return client.Token(secret, user, time.Hour, nil) }
