package presence

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/owner/ownertest"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// post is a world of which some users send direct messages to others, who come and go.
type post struct {
	*world
	store   *store.Store
	senders []*testConn
	readers map[string]*reader
	serial  int
	strict  bool // Redis is there: order is kept
	moves   bool // users change their owner, which may refuse what it holds then
}

// reader is a user to whom messages are sent.
type reader struct {
	conns []*testConn
	last  map[string]int // by sender: the number of the latest message that was seen
	seen  map[string]int // by message_id: the number of the message
	owed  map[int]string // what the sender was told of messages that were not seen yet
}

func newPost(t *testing.T, r *rand.Rand) *post {
	s, err := store.Open(t.Context(), store.Config{Role: "test", Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := newWorld(t, r, Config{
		RoomGrace: testGrace, MaxRooms: 10, MaxRoomMembers: 10,
		Queue: store.NewQueue(s, store.Limits{MaxCount: 1000, MaxBytes: 1 << 20, TTL: time.Hour}),
	})
	p := &post{world: w, store: s, readers: make(map[string]*reader), strict: true}
	p.addNode(2)
	for range 3 {
		p.addGateway(2)
	}
	p.net.View()
	for i := range 3 {
		p.senders = append(p.senders, p.loops[0].connect("sender "+strconv.Itoa(i)))
		p.readers["reader "+strconv.Itoa(i)] = &reader{last: make(map[string]int), seen: make(map[string]int), owed: make(map[int]string)}
	}
	p.pass(time.Second)
	return p
}

func (p *post) reader() (string, *reader) {
	name := oneOf(p.r, slices.Sorted(maps.Keys(p.readers)))
	return name, p.readers[name]
}

// send has a message sent. What becomes of it is told by the reply.
func (p *post) send(from *testConn, to string) {
	p.serial++
	n, x := p.serial, p.readers[to]
	id := ""
	if p.r.IntN(4) > 0 {
		id = "id " + strconv.Itoa(n)
	}
	p.note("%s says %d to %s, who has %d connections", from.user, n, to, len(x.conns))
	payload := strconv.AppendInt(nil, int64(n), 10)
	if id == "" { // nobody answers
		from.loop.send(wire.UserKey(to), func(b []byte) []byte {
			return wire.AppendPublish(b, &wire.Publish{
				Conn: from.ref, Topic: wire.UserKey(to), User: from.user, Payload: payload, SentAt: p.net.Now().UnixMicro(),
			})
		})
		if p.strict && !p.moves {
			p.owe(x, n, "not asked")
		}
		return
	}
	from.loop.publish(from, wire.UserKey(to), id, payload, func(reply gjson.Result) {
		status := reply.Get("data.status").Str
		p.note("%d is %s%s", n, status, reply.Get("data.code").Raw)
		switch {
		case status == "queued", status == "delivered":
			p.owe(x, n, status)
		case p.strict && !p.moves || reply.Get("data.code").Int() != protocol.CodeUnavailable:
			p.Fatalf("%d: %s", n, reply.Raw)
		}
		if got := reply.Get("data.message_id").Str; reply.Get("data.code").Raw == "" && got != id {
			p.Fatalf("%d is acknowledged by id %q, want %q", n, got, id)
		}
	})
}

// owe notes that a message must be seen, unless it was already.
func (p *post) owe(x *reader, n int, status string) {
	for _, seen := range x.seen {
		if seen == n {
			return
		}
	}
	x.owed[n] = status
}

// look takes what the connections of everyone got: in order of each sender, and again only by the same id.
func (p *post) look() {
	p.Helper()
	for _, name := range slices.Sorted(maps.Keys(p.readers)) {
		var got []frame
		for _, c := range p.readers[name].conns {
			got = append(got, c.frames("DirectMessage")...)
		}
		slices.SortFunc(got, func(a, b frame) int { return cmp.Compare(a.at, b.at) })
		p.lookAt(name, got)
	}
}

func (p *post) lookAt(name string, got []frame) {
	p.Helper()
	x := p.readers[name]
	for _, m := range got {
		from, n, id := m.Get("from_user").Str, int(m.Get("payload").Int()), m.Get("metadata.message_id").Str
		if before, again := x.seen[id]; again {
			if before != n {
				p.Fatalf("%s got %d and %d by one id, %q", name, before, n, id)
			}
			continue
		}
		if p.strict && n < x.last[from] {
			p.Fatalf("%s got %d of %s behind %d", name, n, from, x.last[from])
		}
		for other, seen := range x.seen {
			if seen == n {
				p.Fatalf("%s got %d by two ids, %q and %q", name, n, other, id)
			}
		}
		x.seen[id], x.last[from] = n, max(x.last[from], n)
		delete(x.owed, n)
	}
}

func (p *post) connect(name string) {
	p.note("%s connects", name)
	p.readers[name].conns = append(p.readers[name].conns, oneOf(p.r, p.loops).connect(name))
}

// disconnect ends a connection. What is on its way to it has arrived.
func (p *post) disconnect(name string, c *testConn) {
	p.note("%s goes", name)
	for p.net.Deliver(); !c.open; p.net.Deliver() {
		p.callOne()
	}
	p.look()
	c.loop.disconnect(c)
	x := p.readers[name]
	x.conns = slices.DeleteFunc(x.conns, func(y *testConn) bool { return y == c })
}

func (p *post) step() {
	name, x := p.reader()
	switch what := p.r.IntN(20); {
	case what < 10:
		p.send(oneOf(p.r, p.senders), name)
	case what < 12 && len(x.conns) < 3:
		p.connect(name)
	case what < 14 && len(x.conns) > 0:
		p.disconnect(name, oneOf(p.r, x.conns))
	case what < 18 && len(p.redis.calls) > 0:
		p.callOne()
	case what == 18 && p.r.IntN(2) == 0:
		p.net.Deliver()
	case what == 18:
		p.net.DeliverSome(p.r.IntN(20))
	case what == 19:
		p.note("time passes")
		p.net.Pass(ownertest.Step)
	}
	p.look()
}

// end has everyone come back, and get what waits.
func (p *post) end() {
	p.Helper()
	p.unread = nil
	p.pass(5 * time.Second)
	for range 2 {
		for _, name := range slices.Sorted(maps.Keys(p.readers)) {
			p.connect(name)
		}
		p.pass(5 * time.Second)
		p.look()
	}
	p.unanswered()
	for name, x := range p.readers {
		for n, status := range x.owed {
			p.Errorf("%s has not got %d, which was %s", name, n, status)
		}
		left, err := p.cfg.Queue.Len(p.Context(), name)
		if err != nil || left > 0 {
			p.Errorf("%d messages wait for %s still: %v", left, name, err)
		}
		for len(x.conns) > 0 {
			p.disconnect(name, x.conns[0])
		}
	}
	for _, c := range p.senders {
		c.loop.disconnect(c)
	}
	p.pass(10 * time.Second)
	p.checkEmpty()
}

// Users come and go while messages are sent to them: those for whoever is away wait, and all arrive, in order.
func TestDirectMessagesLikeTheirModel(t *testing.T) {
	seeded(t, 6, func(t *testing.T, r *rand.Rand) {
		p := newPost(t, r)
		p.unread = func() bool { return r.IntN(4) == 0 }
		for range 700 {
			p.step()
		}
		p.end()
	})
}

// The same while gateways die with what is on its way to them.
func TestDirectMessagesAndGatewaysThatDie(t *testing.T) {
	seeded(t, 6, func(t *testing.T, r *rand.Rand) {
		p := newPost(t, r)
		for range 700 {
			if p.step(); r.IntN(30) > 0 {
				continue
			}
			l := oneOf(r, p.loops)
			if l.gateway == p.senders[0].loop.gateway {
				continue
			}
			for range 5 {
				name, _ := p.reader()
				p.send(oneOf(r, p.senders), name)
			}
			p.net.DeliverSome(r.IntN(20))
			p.look()
			p.note("gateway %d dies", l.gateway.ID)
			p.killGateway(l.gateway)
			for _, x := range p.readers {
				x.conns = slices.DeleteFunc(x.conns, func(c *testConn) bool { return c.loop.gateway == l.gateway })
			}
			p.addGateway(2)
			p.net.View()
		}
		p.end()
	})
}

// The same while nodes come, and users move to them.
func TestDirectMessagesAndNodesThatCome(t *testing.T) {
	seeded(t, 6, func(t *testing.T, r *rand.Rand) {
		p := newPost(t, r)
		p.moves = true
		for range 700 {
			if p.step(); r.IntN(100) == 0 {
				p.addNode(2)
				p.note("a node comes")
				p.net.View()
				for range r.IntN(10) {
					if name, _ := p.reader(); r.IntN(2) == 0 {
						p.send(oneOf(r, p.senders), name)
					} else if len(p.redis.calls) > 0 {
						p.callOne()
					}
				}
				p.settle() // sooner than the new node would wait
			}
		}
		p.end()
	})
}

// A message that is on its way into a queue when the user gets another owner comes before what that puts there.
func TestQueueMovesInOrder(t *testing.T) {
	p := newPost(t, rand.New(rand.NewPCG(1, 0)))
	for i := range 20 {
		p.readers["away "+strconv.Itoa(i)] = &reader{last: make(map[string]int), seen: make(map[string]int), owed: make(map[int]string)}
	}
	all := func(do func(name string)) {
		for i := range 20 {
			do("away " + strconv.Itoa(i))
		}
	}
	all(func(name string) { p.send(p.senders[0], name) })
	p.net.Deliver()
	p.addNode(2)
	p.net.View()
	all(func(name string) { p.send(p.senders[0], name) })
	for p.net.Deliver(); len(p.redis.calls) > 0; p.net.Deliver() {
		last := len(p.redis.calls) - 1
		call := p.redis.calls[last]
		p.redis.calls = p.redis.calls[:last]
		call()
	}
	p.pass(time.Second)
	p.end()
}

// Redis is away: who is there gets its messages, senders to others are told, and what waited before waits on.
func TestDirectMessagesWithoutRedis(t *testing.T) {
	p := newPost(t, rand.New(rand.NewPCG(1, 0)))
	p.connect("reader 0")
	p.settle()
	p.send(p.senders[0], "reader 1")
	p.settle()
	p.store.Close()
	p.strict = false
	codes := make(map[string]int)
	for i := range 20 {
		to := "reader " + strconv.Itoa(i%2)
		c := p.senders[0]
		c.loop.publish(c, wire.UserKey(to), fmt.Sprint("n", i), []byte(strconv.Itoa(1000+i)), func(reply gjson.Result) {
			if e := reply.Get("data"); e.Get("code").Raw != "" && (e.Get("code").Int() != protocol.CodeUnavailable || e.Get("details.queued").Raw != "false" ||
				e.Get("details.retry_after_ms").Int() <= 0 || e.Get("details.message_id").Str != fmt.Sprint("n", i)) {
				t.Errorf("to %s: %s", to, reply.Raw)
			}
			codes[to+" "+reply.Get("data.status").Str+reply.Get("data.code").Raw]++
		})
		p.settle()
	}
	if want := map[string]int{"reader 0 delivered": 10, "reader 1 503": 10}; !maps.Equal(codes, want) {
		t.Errorf("got %v, want %v", codes, want)
	}
	p.look()
	if got := len(p.readers["reader 0"].seen); got != 10 {
		t.Errorf("who is there got %d messages, want 10", got)
	}
	// One comes who has messages waiting: what is said now does not wait for Redis.
	p.connect("reader 1")
	p.settle()
	p.send(p.senders[0], "reader 1")
	p.pass(time.Second)
	p.look()
	if got := len(p.readers["reader 1"].seen); got != 1 {
		t.Errorf("who came got %d messages, want the one that was sent since", got)
	}
	p.unanswered()
}
