package owner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// simRouter is an owner: real lanes, whose goroutines, inboxes and membership are the sim's.
type simRouter struct {
	sim    *sim
	self   cluster.Node
	lanes  []*Lane
	events [simLanes][]event // not yet followed
	heard  map[*simRouter]cluster.State
	looks  int // in a row at which it was quiet, once it leaves
	dead   bool
}

func newSimRouter(s *sim) *simRouter {
	r := &simRouter{
		sim:   s,
		self:  cluster.Node{Ref: cluster.Ref{ID: s.newID()}, Role: cluster.RoleRouter, Lanes: simLanes, Name: "sim"},
		heard: make(map[*simRouter]cluster.State),
	}
	n := &Node{
		cfg:     Config{Role: cluster.RoleRouter, Conns: []*nats.Conn{nil}, Log: zap.NewNop()},
		self:    r.self,
		metrics: newMetrics(prometheus.NewRegistry(), cluster.RoleRouter),
	}
	n.cfg.Handler = s.handler
	var err error
	if n.member, err = cluster.New(nil, cluster.Config{Self: r.self}); err != nil {
		s.Fatal(err)
	}
	for i := range simLanes {
		l := newLane(n, i)
		l.now, l.send = s.now, s.send(r.self.ID*100+uint64(i))
		r.lanes = append(r.lanes, l)
		s.links[wire.Up(r.self.ID, i)] = simLaneInbox{r, i}
		s.links[wire.Peer(r.self.ID, i)] = simLaneInbox{r, i}
		s.links[wire.Refuse(r.self.ID, i)] = simLaneInbox{r, i}
	}
	for _, other := range s.routers { // those it said hello to have answered
		r.heard[other] = other.self.State
		if other.dead {
			r.heard[other] = gone
		}
	}
	s.routers = append(s.routers, r)
	r.post()
	return r
}

// become takes the router on in its life: it knows of that before all others.
func (r *simRouter) become(state cluster.State) {
	r.self.State = state
	r.heard[r] = state
	r.post()
}

// post gives the lanes the views of now.
func (r *simRouter) post() {
	e := event{views: r.sim.views(r.heard), self: r.self.Ref}
	for i := range r.events {
		r.events[i] = append(r.events[i], e)
	}
}

func (r *simRouter) hear() bool {
	if r.self.State == gone || !r.sim.hear(r.heard, r) {
		return false
	}
	r.post()
	return true
}

// end takes it off the net.
func (r *simRouter) end() {
	r.self.State = gone
	for i := range simLanes {
		delete(r.sim.links, wire.Up(r.self.ID, i))
		delete(r.sim.links, wire.Peer(r.self.ID, i))
		delete(r.sim.links, wire.Refuse(r.self.ID, i))
	}
	r.sim.check.count(r)
}

// follow lets a lane follow the next view.
func (r *simRouter) follow(i int) bool {
	if r.self.State == gone || len(r.events[i]) == 0 {
		return false
	}
	l := r.lanes[i]
	l.flush()
	l.now = r.sim.now
	l.event(r.events[i][0])
	r.events[i] = r.events[i][1:]
	l.flush()
	return true
}

func (r *simRouter) flush(i int) bool {
	if r.self.State == gone || len(r.lanes[i].dirty) == 0 {
		return false
	}
	r.lanes[i].flush()
	return true
}

func (r *simRouter) tick() {
	if r.self.State == gone {
		return
	}
	for _, l := range r.lanes {
		l.now = r.sim.now
		l.tick()
		l.flush()
	}
	if r.self.State != cluster.Leaving {
		return
	}
	if r.looks++; !r.all((*Lane).quiet) {
		r.looks = 0
	}
	if r.looks == 3 {
		r.end()
	}
}

// settled reports whether the router has heard of everybody and no change is under way in it.
func (r *simRouter) settled() bool {
	for _, other := range r.sim.routers {
		if r.heard[other] != other.self.State {
			return false
		}
	}
	return r.all((*Lane).settled)
}

func (r *simRouter) all(is func(*Lane) bool) bool {
	for i, l := range r.lanes {
		if len(r.events[i]) > 0 || !is(l) {
			return false
		}
	}
	return true
}

// quiet reports whether the router has nothing to do, if it is there.
func (r *simRouter) quiet() bool {
	if r.self.State == gone {
		return true
	}
	return r.self.State != cluster.Leaving && r.all(func(l *Lane) bool {
		for _, g := range l.gateways {
			if g.ends.out.Held() > 0 || !g.ends.owed.IsZero() {
				return false
			}
		}
		for _, p := range l.peers {
			if p.listed() && !p.quiet() { // the others died before they were heard of
				return false
			}
		}
		return l.settled() && l.waiting.len() == 0
	})
}

// simLaneInbox takes a lane's messages.
type simLaneInbox struct {
	*simRouter
	lane int
}

func (in simLaneInbox) take(subject string, data []byte) {
	l := in.lanes[in.lane]
	l.now = in.sim.now
	switch subject {
	case wire.Up(in.self.ID, in.lane):
		l.batch(data, wire.DirUp)
	case wire.Peer(in.self.ID, in.lane):
		l.batch(data, wire.DirPeer)
	default:
		l.refused(refusal(subject))
	}
	if in.sim.rng.IntN(2) == 0 {
		l.flush()
	}
}

// simHandler is a router at its simplest: it keeps who wants which key, and sends them what is
// published to it.
type simHandler struct {
	sim   *sim
	lane  *Lane
	wants map[string]map[*Gateway]uint64
	told  map[string]uint64 // the view by which a key was last told
}

func newSimHandler(s *sim, l *Lane) *simHandler {
	return &simHandler{
		sim: s, lane: l, wants: make(map[string]map[*Gateway]uint64), told: make(map[string]uint64),
	}
}

func (h *simHandler) Key(rec wire.Record) (string, bool, error) {
	if rec.Kind == wire.KindPublish {
		var p wire.Publish
		err := p.Decode(rec.Body)
		return p.Topic, true, err
	}
	var i wire.Interest
	err := i.Decode(rec.Body)
	return i.Topic, true, err
}

func (h *simHandler) Apply(from Source, rec wire.Record) {
	var i wire.Interest
	switch rec.Kind {
	case wire.KindPublish:
		h.publish(from, rec)
		return
	case wire.KindLeave:
		if i.Decode(rec.Body) == nil {
			h.drop(i.Topic, from.Gateway, 1<<from.Loop)
		}
		return
	case wire.KindJoin:
		if i.Decode(rec.Body) == nil {
			if h.wants[i.Topic] == nil {
				h.told[strings.Clone(i.Topic)] = h.lane.View()
			}
			h.join(from, i.Topic)
		}
	}
	_ = i.Decode(rec.Body)
	h.done(from, i.Op, 0)
}

func (h *simHandler) publish(from Source, rec wire.Record) {
	var p wire.Publish
	if p.Decode(rec.Body) != nil {
		return
	}
	h.sim.check.applied(p.Topic, string(p.Payload))
	for g, loops := range h.wants[p.Topic] {
		d := wire.Deliver{Loops: loops, Topic: p.Topic, Frame: p.Payload}
		h.lane.End(g, wire.AppendDeliver(h.lane.Begin(g), &d))
	}
	h.reply(from, &p, "ok")
}

func (h *simHandler) reply(to Source, p *wire.Publish, frame string) {
	r := wire.Reply{Op: p.Op, Conn: p.Conn, Frame: []byte(frame)}
	h.lane.End(to.Gateway, wire.AppendReply(h.lane.Begin(to.Gateway), &r))
}

func (h *simHandler) done(to Source, op uint64, code uint16) {
	if op != 0 {
		d := wire.Done{Loop: uint8(to.Loop), Op: op, Code: code}
		h.lane.End(to.Gateway, wire.AppendDone(h.lane.Begin(to.Gateway), d))
	}
}

func (h *simHandler) join(from Source, key string) {
	key = strings.Clone(key) // it aliases the batch
	if h.wants[key] == nil {
		h.wants[key] = make(map[*Gateway]uint64)
	}
	h.wants[key][from.Gateway] |= 1 << from.Loop
}

func (h *simHandler) drop(key string, g *Gateway, loops uint64) {
	wants := h.wants[key]
	if left := wants[g] &^ loops; left != 0 {
		wants[g] = left
	} else if delete(wants, g); len(wants) == 0 {
		delete(h.wants, key)
	}
}

func (h *simHandler) Refuse(from Source, rec wire.Record) {
	if rec.Kind != wire.KindPublish {
		var i wire.Interest
		_ = i.Decode(rec.Body)
		h.done(from, i.Op, 503)
		return
	}
	var p wire.Publish
	if p.Decode(rec.Body) == nil {
		h.reply(from, &p, "no")
	}
}

func (h *simHandler) Failed(from Source, rec wire.Record) bool {
	h.Refuse(from, rec)
	return rec.Kind == wire.KindPublish
}

func (h *simHandler) ForgetLoop(from Source) {
	for key := range h.wants {
		h.drop(key, from.Gateway, 1<<from.Loop)
	}
}

func (h *simHandler) Forget(g *Gateway) {
	for key := range h.wants {
		h.drop(key, g, ^uint64(0))
	}
}

func (h *simHandler) Tell(from Source, view uint64, rec wire.Record) {
	var i wire.Interest
	if i.Decode(rec.Body) == nil {
		h.join(from, i.Topic)
		h.told[strings.Clone(i.Topic)] = view
	}
}

func (h *simHandler) Keep(keep func(key string, view uint64) bool) {
	for key := range h.wants {
		if !keep(key, h.told[key]) {
			delete(h.wants, key)
			delete(h.told, key)
		}
	}
}

func (h *simHandler) Reset() {
	clear(h.wants)
	clear(h.told)
}

// interest is who a handler sends a key's messages to, for comparison.
func (h *simHandler) interest(key string) (list []string) {
	for g, loops := range h.wants[key] {
		for i := range simLoops {
			if loops>>i&1 != 0 {
				list = append(list, fmt.Sprintf("%d.%d", g.Ref.ID, i))
			}
		}
	}
	slices.Sort(list)
	return list
}
