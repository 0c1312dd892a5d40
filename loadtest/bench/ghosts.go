//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// ghostsReport is how long the users of a gateway that was killed were still shown.
type ghostsReport struct {
	Users int    `json:"users"`
	Kills int    `json:"kills"`
	Shown spread `json:"shown"`
}

// ghosts is the scenario: users on one gateway, and who watches them on the other.
type ghosts struct {
	swarm    *swarm.Swarm
	watchers int // the first sockets
	online   map[string]bool
	killed   time.Time
	times    histogram
}

// watchedAtOnce is how many users one WatchPresence names here.
const watchedAtOnce = 100

func measureGhosts(ctx context.Context, set settings, log io.Writer) (rep *ghostsReport, err error) {
	sys, err := startSystem(ctx, set, cluster.Spec{NATS: 1, Redis: true, Gateways: 2, Routers: 1, Presences: 2})
	if err != nil {
		return nil, err
	}
	defer func() { err = sys.stop(err) }()
	g := &ghosts{online: make(map[string]bool), watchers: (set.ghosts + watchedAtOnce - 1) / watchedAtOnce}
	if g.swarm, err = swarm.New(); err != nil {
		return nil, err
	}
	defer g.swarm.Close()
	g.swarm.Text = g.text
	g.swarm.Closed = func(socket int, why error) error {
		if socket < g.watchers || g.killed.IsZero() {
			return why
		}
		return nil
	}
	if err := g.swarm.Dial(ctx, sys.addrs[0], g.watchers, func(i int) (swarm.Greeting, error) {
		var list []string
		for u := i * watchedAtOnce; u < min(set.ghosts, (i+1)*watchedAtOnce); u++ {
			list = append(list, fmt.Sprintf(`"ghost-%d"`, u))
		}
		t, err := token(fmt.Sprintf("watcher-%d", i))
		return swarm.Greeting{Token: t, Messages: [][]byte{
			[]byte(`{"type":"WatchPresence","id":"w","data":{"users":[` + strings.Join(list, ",") + `]}}`),
		}}, err
	}); err != nil {
		return nil, fmt.Errorf("connect the watchers: %w", err)
	}
	for k := range set.kills {
		fmt.Fprintf(log, "ghosts: kill -9 of a gateway with %d users, %d of %d\n", set.ghosts, k+1, set.kills)
		if err := g.round(ctx, sys, set); err != nil {
			return nil, fmt.Errorf("kill %d: %w", k+1, err)
		}
	}
	return &ghostsReport{Users: set.ghosts, Kills: set.kills, Shown: g.times.spread()}, nil
}

// round has the users connect, kills their gateway, and starts it again.
func (g *ghosts) round(ctx context.Context, sys *system, set settings) error {
	g.killed = time.Time{}
	user := 0
	if err := g.swarm.Dial(ctx, sys.addrs[1], set.ghosts, func(int) (swarm.Greeting, error) {
		t, err := token(fmt.Sprintf("ghost-%d", user))
		user++
		return swarm.Greeting{Token: t}, err
	}); err != nil {
		return fmt.Errorf("connect the users: %w", err)
	}
	if err := pollUntil(ctx, g.swarm, 10*time.Second, func() bool { return len(g.online) == set.ghosts }); err != nil {
		return fmt.Errorf("%d of %d users are shown online: %w", len(g.online), set.ghosts, err)
	}
	// Anywhere between two heartbeats.
	if err := pollFor(g.swarm, rand.N(time.Second)); err != nil {
		return err
	}
	g.killed = time.Now()
	if err := sys.cluster.Gateways[1].Kill(); err != nil {
		return err
	}
	if err := pollUntil(ctx, g.swarm, 20*time.Second, func() bool { return len(g.online) == 0 }); err != nil {
		return fmt.Errorf("%d of %d users are still shown online: %w", len(g.online), set.ghosts, err)
	}
	return sys.cluster.Gateways[1].Restart(ctx)
}

// text is the swarm's callback.
func (g *ghosts) text(_ int, text []byte) error {
	rest, found := bytes.CutPrefix(text, []byte(`{"type":"Presence","data":{"user_id":"`))
	if !found {
		return nil
	}
	user, rest, _ := bytes.Cut(rest, []byte(`"`))
	name, online := string(user), shows(rest, `"status":"online"`)
	if online == g.online[name] {
		return fmt.Errorf("told twice: %.300s", text)
	}
	if online {
		g.online[name] = true
		return nil
	}
	if g.killed.IsZero() {
		return fmt.Errorf("gone without a reason: %.300s", text)
	}
	delete(g.online, name)
	g.times.add(time.Since(g.killed))
	return nil
}
