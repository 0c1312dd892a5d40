package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
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
	routers uint64                     // the last ID given
	knows   map[uint64]map[string]bool // by owner: the topics that the gateway has subscribers of
	ids     int
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
	w := &world{t: t, routers: 1, knows: make(map[uint64]map[string]bool)}
	w.l = idleLoop(t, nil, func(c *Config) { c.MaxSubscriptions = 5 })
	w.addRouter()
	w.addRouter()
	w.collect()
	return w
}

func (w *world) addRouter() {
	w.routers++
	w.active = append(w.active, w.routers)
	w.knows[w.routers] = make(map[string]bool)
	w.adopt()
}

func (w *world) adopt() {
	w.l.viewOf(w.active, w.leaving)
	for id, topics := range w.knows {
		if !slices.Contains(w.active, id) && !slices.Contains(w.leaving, id) {
			delete(w.knows, id)
		}
		for topic := range topics { // what owners forget with a view
			if e := newEntry(topic); !e.pattern && w.owner(e) != id {
				delete(topics, topic)
			}
		}
	}
}

func (w *world) owner(e *entry) uint64 {
	if u, _ := w.l.ownerOf(e.hash); u != nil {
		return u.node.ID
	}
	return 0
}

func (w *world) open(at int) {
	c := w.l.conns.take()
	c.fd, c.state, c.expires = -1, stateOpen, 1<<40
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
	for ref, u := range w.l.ups {
		for batch := range u.outs[0].Unacked {
			w.records(w.knows[ref.ID], batch)
		}
		u.outs[0].Ack(u.outs[0].Sent(), false, w.l.now)
	}
}

func (w *world) records(knows map[string]bool, batch []byte) {
	for rec, err := range wire.Records(batch) {
		if err != nil {
			w.t.Fatal(err)
		}
		var i wire.Interest
		switch rec.Kind {
		case wire.KindJoin, wire.KindLeave:
			if err := i.Decode(rec.Body); err != nil {
				w.t.Fatal(err)
			}
			delete(knows, i.Topic)
			if rec.Kind == wire.KindJoin {
				knows[string([]byte(i.Topic))] = true
			}
		}
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
