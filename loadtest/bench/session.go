//go:build linux

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// sessionReport is what it costs that connections can be resumed: the same servers with sessions and without.
type sessionReport struct {
	Clients int         `json:"clients"`
	With    sessionCost `json:"with"`
	Without sessionCost `json:"without"`
}

// sessionCost is that of connections, each of another user, that are subscribed to one topic with history.
type sessionCost struct {
	Connect      stepCost `json:"connect"`    // of a connection
	Disconnect   stepCost `json:"disconnect"` // likewise, which breaks off
	Second       stepCost `json:"second"`     // of a connection that gets one message a second
	GatewayBytes float64  `json:"gateway_bytes_per_connection"`
	RedisBytes   float64  `json:"redis_bytes_per_connection"`
}

// stepCost is CPU of all servers, in microseconds.
type stepCost struct {
	CPU   figures                  `json:"us"`
	Roles map[cluster.Role]float64 `json:"us_by_role"`

	cpu   []float64 // by round
	roles roleTimes
	n     int
}

func (s *stepCost) add(cost roleTimes, n int) {
	s.cpu = append(s.cpu, micros(cost.sum(), n))
	if s.roles == nil {
		s.roles = make(roleTimes)
	}
	for role, d := range cost {
		s.roles[role] += d
	}
	s.n += n
}

func (s *stepCost) finish() { s.CPU, s.Roles = sum(s.cpu), s.roles.per(s.n) }

// sessionRounds is how many there are of connecting and breaking off, and how many with messages; the first ones do not count.
// A round with messages takes so many seconds.
func (s settings) sessionRounds() (rounds, seconds int) {
	if s.brisk {
		return 2, 1
	}
	return 4, 4
}

func measureSession(ctx context.Context, set settings, log io.Writer) (rep *sessionReport, err error) {
	rep = &sessionReport{Clients: set.resumable}
	var sides []*sessionSide
	for _, s := range []struct {
		cost *sessionCost
		env  []string
	}{{&rep.With, nil}, {&rep.Without, []string{"SESSION_TTL=0"}}} {
		sys, e := startSystem(ctx, set, cluster.Spec{
			NATS: 1, Redis: true, Gateways: 1, Routers: 1, Presences: 1, Settings: storedRules, Env: s.env,
		})
		if e != nil {
			return nil, e
		}
		defer func() { err = sys.stop(err) }()
		if err := sys.openStreams(ctx, log); err != nil {
			return nil, err
		}
		side := &sessionSide{sys: sys, cost: s.cost, clients: set.resumable, size: set.payload}
		if err := side.open(); err != nil {
			return nil, err
		}
		defer side.close()
		sides = append(sides, side)
	}
	fmt.Fprintf(log, "session: memory of %d connections\n", set.resumable)
	if err := fillSides(ctx, sides); err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "session: a message a second to each of them\n")
	rounds, seconds := set.sessionRounds()
	for n := range rounds {
		if err := spell(ctx, sides, seconds, n > 0); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(log, "session: they connect, and break off\n")
	for n := range rounds {
		for _, s := range sides {
			if err := s.comeAndGo(ctx, n > 0); err != nil {
				return nil, err
			}
		}
	}
	for _, s := range sides {
		s.cost.Connect.finish()
		s.cost.Disconnect.finish()
		s.cost.Second.finish()
	}
	return rep, nil
}
