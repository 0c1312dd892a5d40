package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// world is a loop with clients and owners that are maps: what each client knows from the
// replies it got, what each owner knows from the records that it was sent.
type world struct {
	t       testing.TB
	l       *loop
	clients [6]*client
	active  []uint64
	leaving []uint64
	routers uint64 // the last ID given
	owners  map[uint64]*fakeOwner
	ids     int
}

// fakeOwner is a router that deals with one record whenever the test says so.
type fakeOwner struct {
	queue []record
	knows map[string]bool // the topics that the gateway has subscribers of
}

type record struct {
	kind  wire.Kind
	op    uint64
	topic string
	moved bool // forwarded by another owner
}

// client is one connection as its user sees it.
type client struct {
	c      *conn
	subs   map[string]bool // by the replies
	asked  map[string]asked
	joins  map[string]int // by topic: Subscribes without a reply yet
	fences map[string]int // Unsubscribes
}

type asked struct {
	kind   string
	topics []string
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, routers: 1, owners: make(map[uint64]*fakeOwner)}
	w.l = idleLoop(t, nil, func(c *Config) { c.MaxSubscriptions = 5 })
	w.addRouter()
	w.addRouter()
	w.collect()
	return w
}

func (w *world) addRouter() {
	w.routers++
	w.active = append(w.active, w.routers)
	w.owners[w.routers] = &fakeOwner{knows: make(map[string]bool)}
	w.adopt()
}

func (w *world) adopt() {
	w.l.viewOf(w.active, w.leaving)
	for id, o := range w.owners {
		if !slices.Contains(w.active, id) && !slices.Contains(w.leaving, id) {
			delete(w.owners, id)
			w.lost(o.queue)
			continue
		}
		for topic := range o.knows { // what owners forget with a view
			if w.moved(topic, id) {
				delete(o.knows, topic)
			}
		}
		var kept []record
		for _, rec := range o.queue { // and what they forward
			switch to := w.owners[w.owner(newEntry(rec.topic))]; {
			case !w.moved(rec.topic, id):
				kept = append(kept, rec)
			case rec.kind == wire.KindJoin && rec.op == 0:
			case to != nil:
				rec.moved = true
				to.queue = append(to.queue, rec)
			case rec.op != 0:
				w.l.done(wire.Done{Op: rec.op, Code: 503})
			}
		}
		o.queue = kept
	}
}

// lost fails what had been forwarded to an owner that is dead. (The loop, which sent it to
// another, would wait for REQUEST_TIMEOUT.)
func (w *world) lost(queue []record) {
	for _, rec := range queue {
		if rec.moved && rec.op != 0 {
			w.l.done(wire.Done{Op: rec.op, Code: 503})
		}
	}
}

func (w *world) moved(topic string, from uint64) bool {
	e := newEntry(topic)
	return !e.pattern && w.owner(e) != from
}

func (w *world) owner(e *entry) uint64 {
	if u, _ := w.l.routers.ownerOf(e.hash); u != nil {
		return u.node.ID
	}
	return 0
}

func (w *world) open(at int) {
	c := w.l.conns.take()
	c.fd, c.state, c.expires = -1, stateOpen, 1<<32-1
	w.l.gw.sockets.Add(1)
	w.clients[at] = &client{
		c: c, subs: make(map[string]bool), asked: make(map[string]asked),
		joins: make(map[string]int), fences: make(map[string]int),
	}
}

func (w *world) end(at int) {
	w.l.drop(w.clients[at].c, endGone)
	w.clients[at] = nil
}

func (w *world) ask(c *client, kind string, topics []string) {
	w.ids++
	id := fmt.Sprint(w.ids)
	c.asked[id] = asked{kind, topics}
	for _, t := range topics {
		c.waiting(kind)[t]++
	}
	list, _ := json.Marshal(topics)
	w.l.message(c.c, fmt.Appendf(nil, `{"type":%q,"id":%q,"data":{"topics":%s}}`, kind, id, list))
}

func (c *client) waiting(kind string) map[string]int {
	if kind == "Subscribe" {
		return c.joins
	}
	return c.fences
}

// collect takes what the loop has sent: replies to the clients, records to the owners.
func (w *world) collect() {
	w.l.now = w.l.now.Add(1)
	for _, c := range w.clients {
		for _, frame := range w.takeFrames(c) {
			w.reply(c, string(frame[headerLength(frame):]))
		}
	}
	w.forget()
	w.l.flushLinks()
	for ref, u := range w.l.routers.ups {
		for batch := range u.outs[0].Unacked {
			w.records(w.owners[ref.ID], batch)
		}
		u.outs[0].Ack(u.outs[0].Sent(), false, w.l.now)
	}
}

func (w *world) records(o *fakeOwner, batch []byte) {
	for rec, err := range wire.Records(batch) {
		if err != nil {
			w.t.Fatal(err)
		}
		if rec.Kind == wire.KindSynced {
			continue
		}
		var i wire.Interest
		if err := i.Decode(rec.Body); err != nil {
			w.t.Fatal(err)
		}
		o.queue = append(o.queue, record{kind: rec.Kind, op: i.Op, topic: strings.Clone(i.Topic)})
	}
}

// handle lets an owner deal with its oldest record, or refuse it.
func (w *world) handle(id uint64, refuse bool) {
	o := w.owners[id]
	rec := o.queue[0]
	o.queue = o.queue[1:]
	refuse = refuse && rec.op != 0 && !isPattern(rec.topic)
	code := uint16(0)
	switch {
	case refuse:
		code = 503
	case rec.kind == wire.KindJoin:
		o.knows[rec.topic] = true
	case rec.kind == wire.KindLeave:
		delete(o.knows, rec.topic)
	}
	if rec.op != 0 {
		w.l.source = w.l.routers.ups[cluster.Ref{ID: id}].outs[0]
		w.l.done(wire.Done{Op: rec.op, Code: code})
	}
}

// takeFrames lists what a client was to get at the end of this turn.
func (w *world) takeFrames(c *client) (list [][]byte) {
	if c == nil {
		return nil
	}
	for at := c.c.first; at != 0; at = w.l.nodes[at-1].next {
		list = append(list, w.l.frames[w.l.nodes[at-1].frame])
	}
	w.l.unmark(c.c)
	return list
}

// forget ends a turn without its writes.
func (w *world) forget() {
	w.l.frames, w.l.nodes, w.l.marked, w.l.arena = w.l.frames[:0], w.l.nodes[:0], w.l.marked[:0], w.l.arena[:0]
}

// reply takes a reply as the client would.
func (w *world) reply(c *client, text string) {
	r := gjson.Parse(text)
	q, ok := c.asked[r.Get("id").Str]
	if !ok {
		w.t.Fatalf("a reply to nothing, or a second one: %s", text)
	}
	delete(c.asked, r.Get("id").Str)
	for _, t := range q.topics {
		c.waiting(q.kind)[t]--
	}
	for _, t := range r.Get("data.details.topics").Array() {
		if q.kind == "Subscribe" {
			c.subs[t.Str] = true
		} else {
			delete(c.subs, t.Str)
		}
	}
	if n := r.Get("data.details.active_subscriptions"); n.Int() > 5 {
		w.t.Errorf("over MAX_SUBSCRIPTIONS: %s", text)
	}
}

func headerLength(frame []byte) int { return frameLength(frame) - payloadLength(frame) }

func payloadLength(frame []byte) int {
	n := frameLength(frame)
	switch frame[1] {
	case 126:
		return n - 4
	case 127:
		return n - 10
	}
	return n - 2
}

func newEntry(name string) *entry {
	return &entry{name: name, hash: cluster.Hash(name), pattern: isPattern(name)}
}
