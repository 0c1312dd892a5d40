package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// takeTime bounds the taking of a session, and yieldTime the wait for who had it.
	takeTime  = 2 * time.Second
	yieldTime = 500 * time.Millisecond
	// takesMost is how many sessions are taken at a time; further connections begin without.
	takesMost = 8192
)

// yieldRequest asks a gateway for the newest state of a session that one of its connections holds, or held until just now.
type yieldRequest struct {
	User   string `json:"user"`
	ID     string `json:"id"`
	Holder string `json:"holder"` // a connection's id
}

// mayTake reports whether a client asked for a session that can be looked for now. If so, takes is one fuller.
func (g *Gateway) mayTake(v *verdict) bool {
	if v.refusal != nil || v.wanted == "" || g.sessions == nil {
		return false
	}
	select {
	case g.takes <- struct{}{}:
		return true
	default:
		g.metrics.resumes.WithLabelValues("busy").Inc()
		return false
	}
}

// take resumes the session that a client asked for, where there is one.
func (g *Gateway) take(ctx context.Context, v *verdict, holder string) {
	ctx, cancel := context.WithTimeout(ctx, takeTime+yieldTime)
	defer cancel()
	took, stop := context.WithTimeout(ctx, takeTime)
	s, err := g.sessions.Take(took, v.wanted, v.claims.User, holder)
	stop()
	if err != nil {
		reason := "away"
		if errors.Is(err, store.ErrNoSession) {
			reason = "unknown"
		}
		g.metrics.resumes.WithLabelValues(reason).Inc()
		return
	}
	v.session, v.state, v.taken, v.holder = v.wanted, s.State, true, holder
	if s.Holder != "" {
		if state := g.askYield(ctx, s.Holder, v); state != nil {
			v.state = state
		}
	}
	if bytes.Equal(v.state, endedState) {
		v.session, v.state, v.taken = "", nil, false
		g.metrics.resumes.WithLabelValues("ended").Inc()
	}
}

// askYield has the gateway that held a session close its connection. It returns the newest state, nil when there is none to be had.
func (g *Gateway) askYield(ctx context.Context, holder string, v *verdict) []byte {
	node, _, _ := strings.Cut(holder, "-")
	request, _ := json.Marshal(yieldRequest{v.claims.User, v.session, holder}) // strings cannot fail
	ctx, cancel := context.WithTimeout(ctx, yieldTime)
	defer cancel()
	m, err := g.conns[0].RequestWithContext(ctx, wire.Yield(node), request)
	if err != nil || len(m.Data) == 0 {
		return nil
	}
	return m.Data
}

// yields answers other gateways that have taken a session of ours.
func (g *Gateway) yields(m *nats.Msg) {
	var r yieldRequest
	if json.Unmarshal(m.Data, &r) != nil {
		return
	}
	l, slot, gen, ok := g.parseConnection(r.Holder)
	if !ok || !l.mail.post(func(l *loop) { _ = m.Respond(l.yield(r.User, r.ID, slot, gen)) }) {
		_ = m.Respond(nil) // who asks goes on without
	}
}

// parseConnection reads a connection's id.
func (g *Gateway) parseConnection(id string) (l *loop, slot, gen uint32, ok bool) {
	parts := strings.Split(id, "-")
	if len(parts) != 4 {
		return nil, 0, 0, false
	}
	index, err1 := strconv.ParseUint(parts[1], 16, 16)
	s, err2 := strconv.ParseUint(parts[2], 16, 32)
	n, err3 := strconv.ParseUint(parts[3], 16, 32)
	if errors.Join(err1, err2, err3) != nil || index >= uint64(len(g.loops)) {
		return nil, 0, 0, false
	}
	return g.loops[index], uint32(s), uint32(n), true
}

// lostSession is told that another connection has a session of ours.
func (g *Gateway) lostSession(id, holder string) {
	if l, slot, gen, ok := g.parseConnection(holder); ok {
		l.mail.post(func(l *loop) { l.lost(id, slot, gen) })
	}
}

// restore subscribes a connection that is about to begin to the topics of its session.
func (l *loop) restore(c *conn, g *greeting) {
	state, err := decodeState(g.verdict.state)
	if err != nil {
		l.log.Warn("the state of a session cannot be read", zap.Error(err))
		g.unrestored = true
		return
	}
	var topics []string
	g.since = make(map[string]wire.Position)
	for _, k := range state {
		if k.placed {
			g.since[k.key] = k.at
		}
		switch {
		case wire.IsRoom(k.key):
			g.rooms = append(g.rooms, k.key)
		case !wire.IsTopic(k.key):
		case l.refuseTopic(c, k.key).Code != 0: // the token allows less now
			g.note(k.key, protocol.TopicPosition{})
		default:
			topics = append(topics, k.key)
		}
	}
	if len(topics) == 0 {
		return
	}
	r := l.newRequest(c, "", "", topics)
	r.reply = (*loop).restored
	r.greet = g
	r.positions = make(map[string]protocol.TopicPosition)
	g.need++
	for i := range topics {
		l.askTopic(c, r, i, opJoin)
	}
	l.settle(c, r)
}

// restored goes on with a connection whose session's topics are subscribed, or not.
func (l *loop) restored(c *conn, r *request) {
	g := r.greet
	for i, o := range r.outcome {
		name := r.topics[i]
		if o.Code != 0 {
			g.unrestored = true
			continue
		}
		g.topics = append(g.topics, name)
		if p, ok := r.positions[name]; ok || topic.IsPattern(name) { // what a pattern missed cannot be told
			g.note(name, p)
		}
	}
	l.greetedBy(c, g)
}

// note notes what the welcome says of a topic.
func (g *greeting) note(topic string, p protocol.TopicPosition) {
	if g.positions == nil {
		g.positions = make(map[string]protocol.TopicPosition)
	}
	g.positions[topic] = p
}

// abandon makes a connection begin without the session that it wanted, of which something could not be restored now: the client
// may try again, or subscribe by itself.
func (l *loop) abandon(c *conn, g *greeting) {
	v := &g.verdict
	l.giveBack(v)
	for i := len(c.subs) - 1; i >= 0; i-- {
		switch e := c.subs[i].entry; e.kind {
		case kindTopic:
			l.unlink(c, i)
			l.release(e)
		case kindRoom:
			if t := l.tracks[e.name]; t != nil {
				delete(t.behind, c.slot)
				c.baseline(e, t.at.Offset)
			}
		}
	}
	v.taken, v.session = false, newSessionID(v.claims)
	c.session, c.shared = v.session, v.claims.SessionID == v.session
	g.topics, g.positions, g.roomPositions = nil, nil, nil
	l.gw.metrics.resumes.WithLabelValues("failed").Inc()
}

// restoreRooms joins the rooms of a session again out of which its user was taken meanwhile.
func (l *loop) restoreRooms(c *conn, me *entry, g *greeting) {
	for _, key := range g.rooms {
		if i := me.membership(key); i >= 0 && me.more.rooms[i].room != nil && !me.more.rooms[i].over {
			continue
		}
		u, lane := l.presences.ownerOf(cluster.Hash(key))
		if u == nil || !l.reachable(u.outs[lane]) {
			g.unrestored = true
			continue
		}
		room := l.presenceEntry(kindRoom, key)
		room.pending++
		g.need++
		h := l.ops.add(op{
			kind: opReply, conn: c.slot, cgen: c.gen, to: u, need: 1, began: l.wheel.now, hash: room.hash, entry: room, greet: g,
		}, "")
		data, _ := json.Marshal(map[string]any{"room": wire.Name(key), "create": false}) // strings cannot fail
		l.endRecord(u, lane, wire.AppendAsk(l.beginRecord(u, lane), &wire.Ask{
			Conn: l.ref(c), Op: h, Verb: wire.VerbJoinRoom, Key: key, User: c.user, Data: data,
		}))
	}
}

// rejoined takes the outcome of one of them, which is not for the client.
func (l *loop) rejoined(c *conn, g *greeting, room *entry, answered bool) {
	g.unrestored = g.unrestored || !answered
	if _, ok := g.since[room.name]; ok && answered && subscribed(c, room) {
		g.need++
		l.joinRoom(room, c, g)
	}
	l.greetedBy(c, g)
}

// recovers reports whether a connection that is about to begin has still to be told from where a topic or room
// goes on for it.
func (g *greeting) recovers(key string) bool {
	_, ok := g.since[key]
	return ok
}

// attachRoom makes a connection that resumes hear of a room from where its session had come.
func (l *loop) attachRoom(c *conn, g *greeting, o *op) {
	since, ok := g.since[o.entry.name]
	if !ok || o.at.Epoch == 0 {
		return
	}
	from := o.at
	if o.whole {
		from = wire.Position{Offset: since.Offset, Epoch: o.at.Epoch}
	}
	l.attach(c, o.entry, o.at, from, true)
	p := clientPosition(o.at)
	if g.roomPositions == nil {
		g.roomPositions = make(map[string]protocol.TopicPosition)
	}
	g.roomPositions[wire.Name(o.entry.name)] = protocol.TopicPosition{Offset: p.Offset, Epoch: p.Epoch, Recovered: o.whole}
}

// newSessionID is the id of a session that begins.
func newSessionID(claims *auth.Claims) string {
	if claims.SessionID != "" {
		return claims.SessionID
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// followAll lets a connection that has been welcomed get what its session missed.
func (l *loop) followAll(c *conn, g *greeting) {
	if !g.verdict.taken {
		return
	}
	l.gw.metrics.resumes.WithLabelValues("resumed").Inc()
	for i := range c.subs {
		if t := l.tracks[c.subs[i].entry.name]; t != nil {
			l.follow(c, t)
		}
	}
}
