//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// Watched users and their watchers: half of the users stay and say something of
// themselves, half come and go, and at any time about half of these are there.
const (
	watchedUsers = 200
	watchedBy    = 10 // users that each watcher watches
)

// presenceReport is how long a change took from the client that made it to each
// watcher, by what changed.
type presenceReport struct {
	Watchers   int                      `json:"watchers"`
	Changes    int                      `json:"changes"`
	Rate       int                      `json:"changes_a_second"`
	Set        spread                   `json:"set_presence"`
	Connect    spread                   `json:"connect"`
	Disconnect spread                   `json:"disconnect"`
	CPU        map[cluster.Role]float64 `json:"us_per_change"`
}

// changeKind is what a user does.
type changeKind int

const (
	changeSet changeKind = iota
	changeConnect
	changeDisconnect
	changeKinds
)

// propagation is the presence scenario. Each watcher must see each change of whom it watches
// once and in order.
type propagation struct {
	sys      *system
	swarm    *swarm.Swarm
	watchers int
	users    [watchedUsers]watched
	names    map[string]int // of users
	seen     map[[2]int]int // by watcher and user: changes
	coming   []int          // users who are not there, the longest first
	going    []int          // likewise, of those who come and go, who are
	times    [changeKinds]histogram
}

// watched is one user.
type watched struct {
	socket   int
	watchers int
	changes  int
	missing  int // watchers who have not seen the latest
	kind     changeKind
	at       time.Time
	want     string // what the watchers must see
}

func measurePresence(ctx context.Context, set settings, log io.Writer) (rep *presenceReport, err error) {
	sys, err := startSystem(ctx, set, cluster.Spec{NATS: 1, Redis: true, Gateways: 2, Routers: 1, Presences: 2})
	if err != nil {
		return nil, err
	}
	defer func() { err = sys.stop(err) }()
	p := &propagation{sys: sys, watchers: set.watchers, names: make(map[string]int), seen: make(map[[2]int]int)}
	if p.swarm, err = swarm.New(); err != nil {
		return nil, err
	}
	defer p.swarm.Close()
	p.swarm.Text = p.text
	if err := p.connect(ctx); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	fmt.Fprintf(log, "presence: %d changes, %d a second, %d watchers of %d users each\n",
		set.changes, set.changeRate, set.watchers, watchedBy)
	cost, err := sys.costOf(func() error { return p.run(ctx, set) })
	if err != nil {
		return nil, err
	}
	return &presenceReport{
		Watchers: set.watchers, Changes: set.changes, Rate: set.changeRate, CPU: cost.per(set.changes),
		Set: p.times[changeSet].spread(), Connect: p.times[changeConnect].spread(), Disconnect: p.times[changeDisconnect].spread(),
	}, nil
}

func watchedName(u int) string { return fmt.Sprintf("watched-%d", u) }

// stays reports whether a user is always there.
func stays(u int) bool { return u < watchedUsers/2 }

// connect opens the watchers, which are the first sockets, and then the users who are
// there from the beginning.
func (p *propagation) connect(ctx context.Context) error {
	dice := rand.New(rand.NewPCG(1, 2))
	for w := range p.watchers {
		var list []string
		for _, u := range dice.Perm(watchedUsers)[:watchedBy] {
			list = append(list, `"`+watchedName(u)+`"`)
			p.users[u].watchers++
			p.seen[[2]int{w, u}] = 0
		}
		err := p.swarm.Dial(ctx, p.gateway(w), 1, func(int) (swarm.Greeting, error) {
			t, err := token(fmt.Sprintf("watcher-%d", w))
			return swarm.Greeting{Token: t, Messages: [][]byte{
				[]byte(`{"type":"WatchPresence","id":"w","data":{"users":[` + strings.Join(list, ",") + `]}}`),
			}}, err
		})
		if err != nil {
			return err
		}
	}
	for u := range watchedUsers {
		p.names[watchedName(u)] = u
		if !stays(u) && u%2 == 0 {
			p.coming = append(p.coming, u)
			continue
		}
		if err := p.come(u); err != nil {
			return err
		}
	}
	if err := p.await(ctx, p.complete); err != nil {
		return err
	}
	p.times = [changeKinds]histogram{}
	return nil
}

// gateway spreads clients over the gateways.
func (p *propagation) gateway(i int) netip.AddrPort { return p.sys.addrs[i/2%len(p.sys.addrs)] }

// run makes the changes, at a steady rate.
func (p *propagation) run(ctx context.Context, set settings) error {
	err := pace(ctx, p.swarm, set.changeRate, set.changes, func(k int) error { return p.change(ctx, k) })
	if err != nil {
		return err
	}
	return p.await(ctx, p.complete)
}

// change makes the k-th change, once the one before of the same user is complete.
func (p *propagation) change(ctx context.Context, k int) error {
	var u int
	switch changeKind(k % int(changeKinds)) {
	case changeSet:
		u = k / int(changeKinds) % (watchedUsers / 2)
	case changeConnect:
		u = p.coming[0]
	case changeDisconnect:
		u = p.going[0]
	}
	if err := p.await(ctx, func() bool { return p.users[u].missing == 0 }); err != nil {
		return fmt.Errorf("%s: %w", watchedName(u), err)
	}
	switch changeKind(k % int(changeKinds)) {
	case changeConnect:
		p.coming = p.coming[1:]
		return p.come(u)
	case changeDisconnect:
		p.going = p.going[1:]
		return p.leave(u)
	}
	p.begin(u, changeSet, fmt.Sprintf(`"status":"away","message":"change %d"`, k))
	return p.swarm.Send(p.users[u].socket, fmt.Appendf(nil,
		`{"type":"SetPresence","id":"p","data":{"status":"away","message":"change %d"}}`, k))
}

func (p *propagation) come(u int) (err error) {
	if !stays(u) {
		p.going = append(p.going, u)
	}
	t, err := token(watchedName(u))
	if err != nil {
		return err
	}
	p.begin(u, changeConnect, `"status":"online"`)
	p.users[u].socket, err = p.swarm.Open(p.gateway(u), swarm.Greeting{Token: t})
	return err
}

func (p *propagation) leave(u int) error {
	p.coming = append(p.coming, u)
	p.begin(u, changeDisconnect, `"status":"offline"`)
	return p.swarm.Hang(p.users[u].socket)
}

// begin notes a change that is about to be made. The time runs from here: with a
// connection it is that of the handshake, too.
func (p *propagation) begin(u int, kind changeKind, want string) {
	w := &p.users[u]
	w.changes++
	w.missing, w.kind, w.want, w.at = w.watchers, kind, want, time.Now()
}

// text is the swarm's callback.
func (p *propagation) text(socket int, text []byte) error {
	if bytes.HasPrefix(text, []byte(`{"type":"Error"`)) {
		return fmt.Errorf("the server answered %.300s", text)
	}
	rest, found := bytes.CutPrefix(text, []byte(`{"type":"Presence","data":{"user_id":"`))
	if !found {
		return nil
	}
	name, rest, _ := bytes.Cut(rest, []byte(`"`))
	u, known := p.names[string(name)]
	key := [2]int{socket, u}
	seen, watches := p.seen[key]
	if !known || !watches {
		return fmt.Errorf("told of somebody who is not watched: %.300s", text)
	}
	w := &p.users[u]
	if !shows(rest, w.want) || seen != w.changes-1 {
		return fmt.Errorf("change %d of %s, of which %d were seen, must show %s: %.300s", w.changes, name, seen, w.want, text)
	}
	p.seen[key]++
	w.missing--
	p.times[w.kind].add(time.Since(w.at))
	return nil
}

// shows reports whether a presence has all members that are wanted.
func shows(presence []byte, want string) bool {
	for member := range strings.SplitSeq(want, ",") {
		if !bytes.Contains(presence, []byte(member)) {
			return false
		}
	}
	return true
}

// complete reports whether all watchers have seen all changes.
func (p *propagation) complete() bool {
	for u := range p.users {
		if p.users[u].missing > 0 {
			return false
		}
	}
	return true
}

func (p *propagation) await(ctx context.Context, done func() bool) error {
	return pollUntil(ctx, p.swarm, 10*time.Second, done)
}
