//go:build linux

package presence_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// simGateway is a gateway of one loop without sockets: to presence nodes it looks like a
// real one whose users have one connection each.
type simGateway struct {
	nc     *nats.Conn
	member *cluster.Member
	self   cluster.Node
	names  []string // keys of users
	hashes []uint64
	views  chan *cluster.Views
	in     chan *nats.Msg
	calls  chan func()

	// Owned by run.
	now     time.Time
	view    *cluster.View
	adopted time.Time     // when the view was
	owner   []cluster.Ref // by user, who was told of it
	ups     map[cluster.Ref]*simOwner
	ends    map[cluster.Ref][]link.In
	pool    link.Pool
	links   uint64
	telling bool // users are told to whoever owns them by the view
	moved   int  // users who were told of because of the latest view
	asked   int
	right   int       // answers
	wrong   int       // those too
	last    time.Time // of the right ones
}

// simOwner is a presence node as a simGateway knows it.
type simOwner struct {
	node cluster.Node
	outs []*link.Out
	told []wire.Digest
}

// startSim starts a simGateway with the users from first on, and returns what ends it.
func startSim(tb testing.TB, first, users int, url string, options ...nats.Option) (g *simGateway, stop func()) {
	tb.Helper()
	nc, err := nats.Connect(url, options...)
	if err != nil {
		tb.Fatal(err)
	}
	g = &simGateway{
		nc: nc, self: cluster.Node{Ref: cluster.Ref{ID: cluster.NewID()}, Role: cluster.RoleGateway, Name: fmt.Sprintf("sim-%d", first), Lanes: 1},
		views: make(chan *cluster.Views, 16), in: make(chan *nats.Msg, 1<<16), calls: make(chan func()),
		view: &cluster.View{}, owner: make([]cluster.Ref, users),
		ups: make(map[cluster.Ref]*simOwner), ends: make(map[cluster.Ref][]link.In),
	}
	for i := range users {
		g.names = append(g.names, wire.UserKey(fmt.Sprintf("user-%d", first+i)))
		g.hashes = append(g.hashes, cluster.Hash(g.names[i]))
	}
	g.member, err = cluster.New(nc, cluster.Config{Self: g.self, OnChange: func(v *cluster.Views) { g.views <- v }})
	if err != nil {
		tb.Fatal(err)
	}
	for _, subject := range []string{wire.Down(g.self.ID, 0), wire.Refuse(g.self.ID, 0) + ".>"} {
		if _, err := nc.ChanSubscribe(subject, g.in); err != nil {
			tb.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.member.Run(ctx) })
	wg.Go(func() { g.run(ctx) })
	<-g.member.Ready()
	g.member.Activate()
	return g, func() {
		cancel()
		wg.Wait()
		nc.Close()
	}
}

// do calls f on the gateway's goroutine, and returns when it has.
func (g *simGateway) do(f func()) {
	done := make(chan struct{})
	g.calls <- func() { f(); close(done) }
	<-done
}

func (g *simGateway) run(ctx context.Context) {
	tick := time.NewTicker(link.AckDelay)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case v := <-g.views:
			g.now = time.Now()
			g.adopt(v.Presences)
		case f := <-g.calls:
			g.now = time.Now()
			f()
		case m := <-g.in:
			g.now = time.Now()
			g.take(m)
			for range min(len(g.in), 256) {
				g.take(<-g.in)
			}
		case g.now = <-tick.C:
			n++
			g.tick(n)
		}
		for _, u := range g.ups {
			for _, o := range u.outs {
				o.Flush(g.now)
			}
		}
	}
}

// tick is called every 25 ms; owners get digests as often as from a real gateway.
func (g *simGateway) tick(n int) {
	g.acknowledge(false)
	for _, u := range g.ups {
		for lane, o := range u.outs {
			if n%4 == 0 {
				o.Tick(g.now)
			}
			if n%80 == 0 && u.told[lane].Users > 0 {
				o.End(wire.AppendDigest(o.Begin(g.view.Version, g.now), u.told[lane]), g.now)
			}
		}
	}
}

// adopt follows a new view of the presence nodes.
func (g *simGateway) adopt(v *cluster.View) {
	if v == g.view {
		return
	}
	g.view, g.adopted, g.moved, g.asked, g.right, g.wrong = v, g.now, 0, 0, 0, 0
	for ref, u := range g.ups {
		if n, ok := v.Find(ref.ID); !ok || n.Ref != ref {
			for _, o := range u.outs {
				o.Close()
			}
			delete(g.ups, ref)
			delete(g.ends, ref)
		}
	}
	for _, list := range [][]cluster.Node{v.Active, v.Leaving} {
		for _, n := range list {
			if g.ups[n.Ref] == nil {
				g.ups[n.Ref] = g.newOwner(n)
			}
		}
	}
	var moved []int
	if g.telling {
		for i := range g.names {
			if u, _ := g.ownerOf(i); u != nil && g.owner[i] != u.node.Ref {
				g.tell(i, 0, true)
				moved = append(moved, i)
			}
		}
	}
	for _, u := range g.ups {
		for _, o := range u.outs {
			o.End(wire.AppendMark(o.Begin(v.Version, g.now), wire.KindSynced, wire.Mark{View: v.Version}), g.now)
		}
	}
	for _, i := range moved {
		g.ask(i)
	}
	g.moved = len(moved)
}

// tellAll tells of all users; where they log in, their owners are to look for their rooms and
// messages. It asks for the last user of each lane, whose answer says that all have been taken.
func (g *simGateway) tellAll(login bool) {
	last := make(map[*link.Out]int)
	g.telling, g.right, g.wrong, g.asked = true, 0, 0, 0
	for i := range g.names {
		u, lane := g.ownerOf(i)
		last[u.outs[lane]] = i
		op := uint64(0)
		if login {
			op = uint64(i + 1)
			g.asked++
		}
		g.tell(i, op, false)
	}
	if !login {
		for _, i := range last {
			g.ask(i)
		}
	}
}

// complete reports whether all that was asked was answered rightly.
func (g *simGateway) complete() bool { return g.right == g.asked }

func (g *simGateway) newOwner(n cluster.Node) *simOwner {
	u := &simOwner{node: n, told: make([]wire.Digest, n.Lanes)}
	for lane := range n.Lanes {
		g.links++
		u.outs = append(u.outs, link.NewOut(link.Config{
			Header:  wire.Header{FromID: g.self.ID, Lanes: 1, ToInc: n.Inc},
			Subject: wire.Up(n.ID, lane), Refuse: wire.Refuse(g.self.ID, 0), Number: g.links, Bound: 64 << 20, Pool: &g.pool,
			Send: func(subject, refuse string, b []byte) error { return g.nc.PublishRequest(subject, refuse, b) },
		}))
	}
	return u
}

// ownerOf is who owns a user, and with which lane.
func (g *simGateway) ownerOf(user int) (*simOwner, int) {
	i := g.view.Owner(g.hashes[user])
	if i < 0 {
		return nil, 0
	}
	u := g.ups[g.view.Active[i].Ref]
	return u, cluster.Lane(g.hashes[user], len(u.outs))
}

// tell tells a user's owner of its connection, which begins where op is not 0.
func (g *simGateway) tell(user int, op uint64, told bool) {
	u, lane := g.ownerOf(user)
	if was := g.ups[g.owner[user]]; was != u {
		if was != nil {
			g.count(was, cluster.Lane(g.hashes[user], len(was.outs)), user, -1)
		}
		g.owner[user] = u.node.Ref
		g.count(u, lane, user, +1)
	}
	o := u.outs[lane]
	o.End(wire.AppendPresent(o.Begin(g.view.Version, g.now), &wire.Present{Op: op, Told: told, Key: g.names[user], Count: 1}), g.now)
}

func (g *simGateway) count(u *simOwner, lane, user, by int) {
	d := &u.told[lane]
	if by > 0 {
		d.Users++
		d.Sum += wire.DigestOf(g.hashes[user], 1)
		return
	}
	d.Users--
	d.Sum -= wire.DigestOf(g.hashes[user], 1)
}

// ask asks for a user's presence.
func (g *simGateway) ask(user int) {
	g.asked++
	u, lane := g.ownerOf(user)
	o := u.outs[lane]
	o.End(wire.AppendAsk(o.Begin(g.view.Version, g.now), &wire.Ask{
		Op: uint64(user + 1), Verb: wire.VerbGetPresence, Key: g.names[user], User: "operator",
	}), g.now)
}

// take deals with a batch, or with the word that nobody listens where one went.
func (g *simGateway) take(m *nats.Msg) {
	if m.Header.Get("Status") == "503" {
		for ref, u := range g.ups {
			number, seq, _ := wire.ParseRefuse(m.Subject)
			for _, o := range u.outs {
				if o.Refused(number, seq) {
					g.member.Suspect(ref)
				}
			}
		}
		return
	}
	h, err := wire.ParseHeader(m.Data)
	from := cluster.Ref{ID: h.FromID, Inc: h.FromInc}
	u := g.ups[from]
	if err != nil || u == nil {
		return
	}
	if g.ends[from] == nil {
		g.ends[from] = make([]link.In, h.Lanes)
	}
	if h.Seq != 0 {
		in := &g.ends[from][h.FromLane]
		took := in.Take(h, len(m.Data))
		if _, now := in.Due(); now {
			g.acknowledge(true)
		}
		if !took {
			return
		}
	}
	for rec := range wire.Records(m.Data) {
		g.record(u, int(h.FromLane), rec)
	}
}

func (g *simGateway) record(u *simOwner, lane int, rec wire.Record) {
	switch rec.Kind {
	case wire.KindAck:
		var a wire.Ack
		if a.Decode(rec.Body) == nil {
			u.outs[lane].Ack(a.Seq, a.Again, g.now)
		}
	case wire.KindAnswer:
		var a wire.Answer
		if a.Decode(rec.Body) == nil {
			g.answered(int(a.Op)-1, &a)
		}
	case wire.KindResync:
		u.outs[lane].End(wire.AppendRetell(u.outs[lane].Begin(g.view.Version, g.now)), g.now)
		for i := range g.names {
			if at, l := g.ownerOf(i); at == u && l == lane && g.owner[i] == u.node.Ref {
				g.tell(i, 0, true)
			}
		}
	}
}

// answered takes the answer to ask, or to a login, which has no body. What is not right is asked
// again.
func (g *simGateway) answered(user int, a *wire.Answer) {
	if a.Code == 0 && (len(a.Body) == 0 || bytes.Contains(a.Body, []byte(`"status":"online"`)) && bytes.Contains(a.Body, []byte(`"connections":1`))) {
		g.right++
		g.last = g.now
		return
	}
	g.wrong++
	g.asked--
	g.ask(user)
}

// acknowledge tells the owners what has come; urgent: only what should not wait.
func (g *simGateway) acknowledge(urgent bool) {
	for ref, ins := range g.ends {
		for lane := range ins {
			owed, now := ins[lane].Due()
			if !owed || urgent && !now {
				continue
			}
			seq, again := ins[lane].Ack()
			b := wire.AppendHeader(nil, wire.Header{FromID: g.self.ID, Lanes: 1, ToInc: ref.Inc})
			_ = g.nc.Publish(wire.Up(ref.ID, lane), wire.AppendAck(b, wire.Ack{Lane: uint16(lane), Dir: wire.DirDown, Seq: seq, Again: again}))
		}
	}
}
