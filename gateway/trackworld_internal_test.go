package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// past is a loop, the owner of topics with history, and what that has stored. The test says what happens next.
type past struct {
	t     *testing.T
	r     *rand.Rand
	l     *loop
	logs  map[string]*stored
	peers []*listener

	router uint64
	up     []wire.Record // on their way to the owner
	down   [][]byte      // and from it
	knows  map[string]bool
	lost   bool // the link has lost something, and is about to tell
	age    uint64
	trace  []string
}

// stored is the history of a topic.
type stored struct {
	epoch      uint64
	floor, top uint64
	known      uint64 // the top that the owner knows of; it may be behind
	seen       uint64 // the unborn epoch that this one followed
}

func (s *stored) at() wire.Position { return wire.Position{Offset: s.known, Epoch: s.epoch} }

// listener is a client that keeps its positions.
type listener struct {
	c     *conn
	exact map[string]bool // as the replies say
	all   bool            // by pattern
	at    map[string]wire.Position
	asked map[string]question // by id
	n     int
}

type question struct {
	topics  []string
	recover map[string]wire.Position
	leaves  bool
}

func newPast(t *testing.T, seed uint64) *past {
	p := &past{t: t, r: rand.New(rand.NewPCG(seed, 7)), logs: make(map[string]*stored), router: 2, age: 1000}
	p.l = idleLoop(t, nil, nil)
	for _, name := range []string{"h.a", "h.b"} {
		p.logs[name] = &stored{epoch: p.unborn(), floor: 1}
	}
	p.begin()
	return p
}

func (p *past) unborn() uint64 {
	p.age++
	return uint64(history.Unborn(time.UnixMilli(int64(p.age))))
}

func (p *past) note(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

func (p *past) fatal(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(p.trace[max(0, len(p.trace)-60):], "\n"))
}

// begin has another router own everything. What the former one had sent, and not the loop, is gone.
func (p *past) begin() {
	p.router++
	p.note("router %d", p.router)
	p.up, p.down, p.knows, p.lost = nil, nil, make(map[string]bool), false
	for _, s := range p.logs {
		s.known = s.top
	}
	p.l.routersAre(p.router)
	p.take()
}

// take takes what the loop has sent.
func (p *past) take() {
	p.l.now = p.l.now.Add(time.Microsecond)
	for _, k := range p.peers {
		for at := k.c.first; at != 0; at = p.l.nodes[at-1].next {
			frames := p.l.frames[p.l.nodes[at-1].frame]
			for len(frames) > 0 {
				n := frameLength(frames)
				p.hears(k, string(frames[headerLength(frames):n]))
				frames = frames[n:]
			}
		}
		p.l.unmark(k.c)
	}
	p.l.frames, p.l.nodes, p.l.marked, p.l.arena = p.l.frames[:0], p.l.nodes[:0], p.l.marked[:0], p.l.arena[:0]
	p.l.refeed()
	p.l.flushLinks()
	for ref, u := range p.l.routers.ups {
		for batch := range u.outs[0].Unacked {
			for rec, err := range wire.Records(slices.Clone(batch)) {
				if err != nil {
					p.fatal("%v", err)
				}
				if ref.ID == p.router && rec.Kind != wire.KindSynced {
					p.up = append(p.up, rec)
				}
			}
		}
		u.outs[0].Ack(u.outs[0].Sent(), false, p.l.now)
	}
}

// tick lets time pass.
func (p *past) tick() {
	p.l.wheel.now++
	p.l.expireOps()
	p.l.tickTracks()
	p.take()
}

// hears checks what a client gets.
func (p *past) hears(k *listener, text string) {
	m := gjson.Parse(text)
	p.note("  %d hears %s", k.c.slot, text)
	data := m.Get("data")
	switch {
	case m.Get("type").Str == "Broadcast":
		topic := data.Get("topic").Str
		got := wire.Position{Offset: data.Get("metadata.offset").Uint(), Epoch: uint64(history.ParseEpoch(data.Get("metadata.epoch").Str))}
		at, known := k.at[topic]
		switch {
		case !k.exact[topic] && !k.all:
			p.fatal("%d is not subscribed to %s", k.c.slot, topic)
		case !known: // the first that a pattern brings
		case got.Epoch == at.Epoch && got.Offset == at.Offset+1:
		case !born(at.Epoch) && got.Offset == 1:
		default:
			p.fatal("%d got %v of %s at %v", k.c.slot, got, topic, at)
		}
		k.at[topic] = got
	case data.Get("status").Str == "history_gap":
		d := data.Get("details")
		to := wire.Position{Offset: d.Get("offset").Uint(), Epoch: uint64(history.ParseEpoch(d.Get("epoch").Str))}
		topic := d.Get("topic").Str
		if at, known := k.at[topic]; known && at.Epoch == to.Epoch && at.Offset >= to.Offset {
			p.fatal("%d was told of a gap up to %v of %s, and had %v", k.c.slot, to, topic, at)
		} else if s := p.logs[topic]; known && at.Epoch == to.Epoch && at.Epoch == s.epoch && s.floor <= at.Offset+1 {
			p.fatal("%d was told of a gap up to %v of %s, where there is none behind %v", k.c.slot, to, topic, at)
		}
		k.at[topic] = to
	case m.Get("type").Str == "Error":
		delete(k.asked, m.Get("id").Str)
	default:
		p.replied(k, m)
	}
}

func (p *past) replied(k *listener, m gjson.Result) {
	id := m.Get("id").Str
	q, ok := k.asked[id]
	if !ok {
		p.fatal("%d got %s", k.c.slot, m.Raw)
	}
	delete(k.asked, id)
	for _, topic := range m.Get("data.details.topics").Array() {
		name := topic.Str
		switch {
		case q.leaves && name == "h.*":
			k.all = false
		case q.leaves:
			if delete(k.exact, name); k.all && p.l.tracks[name] != nil { // it goes on where the pattern is
				delete(k.at, name)
			}
		case name == "h.*":
			k.all = true
			continue
		default:
			was := k.exact[name]
			k.exact[name] = true
			r := m.Get("data.details.positions").Map()[name]
			at := wire.Position{Offset: r.Get("offset").Uint(), Epoch: uint64(history.ParseEpoch(r.Get("epoch").Str))}
			switch since, asked := q.recover[name]; {
			case r.Get("recovered").Bool() && !asked:
				p.fatal("recovered what was not asked for: %s", m.Raw)
			case r.Get("recovered").Bool():
				k.at[name] = wire.Position{Offset: since.Offset, Epoch: at.Epoch}
			case !was && !k.all: // otherwise it goes on where the pattern is
				k.at[name] = at
			}
		}
		if q.leaves && !k.all {
			for topic := range k.at {
				if !k.exact[topic] {
					delete(k.at, topic)
				}
			}
		}
	}
}

// handle lets the owner deal with its oldest record.
func (p *past) handle() {
	rec := p.up[0]
	p.up = p.up[1:]
	switch rec.Kind {
	case wire.KindJoin, wire.KindFence, wire.KindLeave:
		var i wire.Interest
		_ = i.Decode(rec.Body)
		s := p.logs[i.Topic]
		p.note("owner: kind %d %s placed %v %v", rec.Kind, i.Topic, i.Placed, i.At)
		done := wire.Done{Op: i.Op}
		switch rec.Kind {
		case wire.KindLeave:
			delete(p.knows, i.Topic)
		case wire.KindJoin:
			p.knows[i.Topic] = true
			if s == nil {
				break
			}
			if i.Op == 0 {
				p.verify(i.Topic, i.At)
				break
			}
			done.Placed, done.At = true, s.at()
			done.Whole = i.Placed && (i.At.Epoch == s.epoch && i.At.Offset <= s.known && i.At.Offset+1 >= s.floor ||
				i.At.Offset == 0 && i.At.Epoch == s.seen && s.floor == 1)
		}
		if i.Op != 0 {
			p.send(wire.AppendDone(nil, done))
		}
	case wire.KindFetch:
		var f wire.Fetch
		_ = f.Decode(rec.Body)
		p.page(&f)
	case wire.KindTrack:
		var at wire.Placed
		_ = at.Decode(rec.Body)
		p.verify(at.Key, at.At)
	default:
		p.fatal("a record of kind %d", rec.Kind)
	}
}

func (p *past) verify(topic string, at wire.Position) {
	if s := p.logs[topic]; s.at() != at {
		p.send(wire.AppendPlaced(nil, wire.KindPosition, &wire.Placed{Loops: 1, Key: topic, At: s.at()}))
	}
}

func (p *past) page(f *wire.Fetch) {
	s := p.logs[f.Key]
	if f.After.Epoch == s.epoch && s.known < f.Least || p.r.IntN(3) == 0 {
		s.known = s.top
	}
	after := f.After.Offset
	if f.After.Epoch != s.epoch {
		after = 0
	}
	after = max(after, s.floor-1)
	page := wire.Page{Op: f.Op, Top: s.at(), First: after + 1}
	for n := after + 1; n <= s.known && page.Len() < 1+p.r.IntN(4); n++ {
		page.Add(messageAt(f.Key, wire.Position{Offset: n, Epoch: s.epoch}))
	}
	if p.r.IntN(20) == 0 {
		page = wire.Page{Op: f.Op, Code: protocol.CodeUnavailable}
	}
	p.note("owner: page for %v least %d: from %d %d top %v", f.After, f.Least, page.First, page.Len(), page.Top)
	p.send(wire.AppendPage(nil, &page))
}

func (p *past) send(record []byte) {
	p.down = append(p.down, append(wire.AppendHeader(nil, wire.Header{FromID: p.router, Lanes: 1}), record...))
}

func messageAt(topic string, at wire.Position) []byte {
	_, frame := protocol.AppendBroadcast(nil, &protocol.Publication{
		Topic: topic, Payload: []byte("1"), User: "u", MessageID: "m", Offset: at.Offset, Epoch: history.Epoch(at.Epoch).String(),
	})
	return frame
}

// publish stores a message, and sends it where somebody is interested.
func (p *past) publish(topic string) {
	s := p.logs[topic]
	if !born(s.epoch) {
		p.age++
		s.seen, s.epoch = s.epoch, uint64(history.NewEpoch(time.UnixMilli(int64(p.age)), p.r.Uint64()))
		s.top, s.floor = 0, 1
	}
	s.top++
	s.known = s.top
	p.note("published %s %v", topic, s.at())
	if p.knows[topic] || p.knows["h.*"] {
		p.send(wire.AppendDeliver(nil, &wire.Deliver{Loops: 1, Topic: topic, Frame: messageAt(topic, s.at()), SentAt: 1, At: s.at()}))
	}
}

// arrive takes what the owner sent first to the loop, or loses it.
func (p *past) arrive(lose bool) {
	batch := p.down[0]
	p.down = p.down[1:]
	for rec := range wire.Records(batch) {
		if lose && (rec.Kind == wire.KindDeliver || rec.Kind == wire.KindPosition) {
			p.note("lost: kind %d", rec.Kind)
			p.lost = true
			return
		}
	}
	p.l.down(batch)
	p.take()
}

// tell has the loop hear of what was lost.
func (p *past) tell() {
	p.lost = false
	for ref := range p.l.routers.ups {
		p.l.lostFrom(ref, 0)
	}
	p.take()
}

func (p *past) connect() {
	c := p.l.conns.take()
	c.fd, c.state, c.expires = -1, stateOpen, 1<<32-1
	p.l.gw.sockets.Add(1)
	p.peers = append(p.peers, &listener{
		c: c, exact: make(map[string]bool), at: make(map[string]wire.Position), asked: make(map[string]question),
	})
}

func (p *past) end(k *listener) {
	p.note("%d ends", k.c.slot)
	p.peers = slices.DeleteFunc(p.peers, func(o *listener) bool { return o == k })
	p.l.drop(k.c, endGone)
	p.take()
}

// ask has a client subscribe, or unsubscribe.
func (p *past) ask(k *listener, leaves bool, since map[string]wire.Position, topics ...string) {
	k.n++
	id := fmt.Sprint(k.n)
	k.asked[id] = question{topics, since, leaves}
	kind, more := "Subscribe", ""
	if leaves {
		kind = "Unsubscribe"
	}
	for topic, at := range since {
		more += fmt.Sprintf(`,%q:{"offset":%d,"epoch":%q}`, topic, at.Offset, history.Epoch(at.Epoch).String())
	}
	if more != "" {
		more = `,"recover":{` + more[1:] + `}`
	}
	text := fmt.Sprintf(`{"type":%q,"id":%q,"data":{"topics":["%s"]%s}}`, kind, id, strings.Join(topics, `","`), more)
	p.note("%d asks %s", k.c.slot, text)
	p.l.message(k.c, []byte(text))
	p.take()
}
