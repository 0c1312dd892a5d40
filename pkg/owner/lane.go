package owner

import (
	"context"
	"strconv"
	"time"
	"unsafe"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// laneQueue is how many batches wait for a lane. Past it NATS drops (a slow consumer,
	// counted), and the links repeat.
	laneQueue = 8192
	// laneCalls is how many results wait for a lane; past it those who have one wait.
	laneCalls = 1024
	// turnBatches is how many batches a lane takes in one turn before it sends.
	turnBatches = 256
	// downBound and peerBound are what a link may hold for a node that does not
	// acknowledge, in bytes; past it the oldest batch is dropped and counted.
	downBound = 64 << 20
	peerBound = 16 << 20
	// suspectEvery is how often a lane tells, at most, that a node is not where it should be.
	suspectEvery = 500 * time.Millisecond
)

// Lane is one of a node's goroutines and all that it owns.
type Lane struct {
	// Static.
	node    *Node
	index   int
	nc      *nats.Conn
	send    link.Send // over nc, or a test's network
	handler Handler
	telling Telling // the handler, where it is one; nil otherwise
	log     *zap.Logger
	metrics *metrics
	in      chan *nats.Msg
	events  chan event
	calls   chan func()   // results of work done elsewhere
	ended   chan struct{} // closed when run has returned
	up      *nats.Subscription
	peerSub *nats.Subscription
	refuse  *nats.Subscription

	// Owned by the lane's goroutine.
	self     cluster.Ref
	now      time.Time
	pool     link.Pool
	gateways map[cluster.Ref]*Gateway
	slots    []*Gateway
	peers    map[cluster.Ref]*peer
	gone     map[cluster.Ref]struct{}
	outs     []*link.Out // nil: closed
	links    uint64      // how many there have been
	dirty    []*link.Out // have a batch to flush
	acks     []byte      // scratch for a batch of acknowledgements
	owing    bool        // this turn brought something to acknowledge
	urgent   bool        // and it should not wait for a tick
	ticked   time.Time   // when Telling.Tick was last called
	idle     bool        // the next tick is tickIdle away
	views    viewState
	waiting  waitRoom
	id       []byte // scratch for NextID
	serial   uint64 // of the last NextID
	back     []item // what a peer that is gone never took, until adopt has dealt with it
}

// event is what the node tells its lanes.
type event struct {
	views     *cluster.Views   // a new set of views
	self      cluster.Ref      // with views: who we are by now
	reconnect *nats.Conn       // this connection is back
	is        func(*Lane) bool // a question
	answer    chan<- bool      // with is; takes one
}

func newLane(n *Node, index int) *Lane {
	nc := n.cfg.Conns[index%len(n.cfg.Conns)]
	l := &Lane{
		node: n, index: index, nc: nc, send: sender(nc),
		log: n.cfg.Log.With(zap.Int("lane", index)), metrics: n.metrics,
		in:       make(chan *nats.Msg, laneQueue),
		events:   make(chan event, 64),
		calls:    make(chan func(), laneCalls),
		ended:    make(chan struct{}),
		self:     n.self.Ref,
		gateways: make(map[cluster.Ref]*Gateway),
		peers:    make(map[cluster.Ref]*peer),
		gone:     make(map[cluster.Ref]struct{}),
	}
	l.views.reset()
	l.handler = n.cfg.Handler(l)
	l.telling, _ = l.handler.(Telling)
	return l
}

// sender sends over a connection; without a subject for refusals where none is given.
func sender(nc *nats.Conn) link.Send {
	return func(subject, refuse string, b []byte) error {
		if refuse == "" {
			return nc.Publish(subject, b)
		}
		return nc.PublishRequest(subject, refuse, b)
	}
}

// subscribe opens the lane's inboxes.
func (l *Lane) subscribe() (err error) {
	if l.up, err = l.nc.ChanSubscribe(wire.Up(l.self.ID, l.index), l.in); err != nil {
		return err
	}
	if l.peerSub, err = l.nc.ChanSubscribe(wire.Peer(l.self.ID, l.index), l.in); err != nil {
		return err
	}
	l.refuse, err = l.nc.ChanSubscribe(wire.Refuse(l.self.ID, l.index)+".>", l.in)
	return err
}

func (l *Lane) unsubscribe() {
	for _, s := range []*nats.Subscription{l.up, l.peerSub, l.refuse} {
		_ = s.Unsubscribe() // fails only when the connection is closed
	}
}

// run is the lane: it takes what has come, deals with it, and sends what that produced,
// one batch for each destination and turn.
func (l *Lane) run(ctx context.Context) {
	defer close(l.ended)
	timer := time.NewTimer(tickBusy)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-l.in:
			l.now = time.Now()
			l.receive(m)
			for range min(len(l.in), turnBatches) {
				l.receive(<-l.in)
			}
		case e := <-l.events:
			l.now = time.Now()
			l.event(e)
		case call := <-l.calls:
			l.now = time.Now()
			l.result(call)
			for range min(len(l.calls), turnBatches) {
				l.result(<-l.calls)
			}
		case <-timer.C:
			l.now = time.Now()
			next := l.tick()
			l.idle = next == tickIdle
			timer.Reset(next)
		}
		l.flush()
		if l.idle && l.owing {
			l.idle = false
			timer.Reset(tickBusy)
		}
		l.owing = false
	}
}

const (
	tickBusy = link.AckDelay
	tickIdle = 250 * time.Millisecond

	tickTelling = 200 * time.Millisecond // between two calls of Telling.Tick, at least
)

// tick does what is due by time and returns when to come again.
func (l *Lane) tick() time.Duration {
	busy := l.acknowledge()
	for _, o := range l.outs {
		if o != nil && o.Held() > 0 {
			o.Tick(l.now)
			busy = true
		}
	}
	if l.views.unsettled() {
		busy = true
		l.settle()
	}
	l.expireWaiting()
	l.dropUnlisted()
	if l.telling != nil && l.now.Sub(l.ticked) >= tickTelling {
		l.ticked = l.now
		l.telling.Tick()
	}
	if busy || l.waiting.len() > 0 {
		return tickBusy
	}
	return tickIdle
}

// receive deals with one NATS message.
//
// Hop 3 of a Broadcast's way: from here to route, and by it to the Handler's Apply.
func (l *Lane) receive(m *nats.Msg) {
	switch m.Sub {
	case l.up:
		l.batch(m.Data, wire.DirUp)
	case l.peerSub:
		l.batch(m.Data, wire.DirPeer)
	default:
		l.refused(m)
	}
}

// batch deals with the records of one batch, once its link has taken it.
func (l *Lane) batch(data []byte, dir wire.Dir) {
	h, err := wire.ParseHeader(data)
	if err != nil {
		l.metrics.dropped.WithLabelValues(dropFormat).Inc()
		return
	}
	from := cluster.Ref{ID: h.FromID, Inc: h.FromInc}
	if _, dead := l.gone[from]; dead || h.ToInc != l.self.Inc {
		l.metrics.dropped.WithLabelValues(dropStale).Inc()
		return
	}
	var g *Gateway
	var p *peer
	var e *ends
	if dir == wire.DirUp {
		g = l.gateway(from, int(h.Lanes))
		e = &g.ends
	} else {
		if p = l.peers[from]; p == nil {
			p = l.addPeer(cluster.Node{Ref: from, Lanes: int(h.Lanes)})
		}
		e = &p.ends
	}
	if int(h.FromLane) >= len(e.ins) {
		l.metrics.dropped.WithLabelValues(dropFormat).Inc()
		return
	}
	e.heard = l.now
	if h.Seq != 0 {
		take := e.ins[h.FromLane].Take(h, len(data))
		l.owe(e)
		_, now := e.ins[h.FromLane].Due()
		l.urgent = l.urgent || now
		if !take {
			l.metrics.dropped.WithLabelValues(dropRepeat).Inc()
			return
		}
	}
	l.metrics.batchesIn.Inc()
	for rec, err := range wire.Records(data) {
		if err != nil {
			l.metrics.dropped.WithLabelValues(dropFormat).Inc()
			return
		}
		if dir == wire.DirUp {
			l.upRecord(g, h, rec)
		} else {
			l.peerRecord(p, h, rec)
		}
	}
}

func (l *Lane) upRecord(g *Gateway, h wire.Header, rec wire.Record) {
	switch rec.Kind {
	case wire.KindAck:
		var a wire.Ack
		if a.Decode(rec.Body) == nil && a.Dir == wire.DirDown && g.ends.out != nil {
			g.ends.out.Ack(a.Seq, a.Again, l.now)
			l.settle()
		}
	case wire.KindSynced:
		var m wire.Mark
		if m.Decode(rec.Body) == nil {
			l.say(&g.courses[h.FromLane], m.View)
		}
	default:
		l.route(&item{
			from: Source{Gateway: g, Loop: h.FromLane}, view: h.View, rec: rec,
			course: &g.courses[h.FromLane], place: g.courses[h.FromLane].place(h.View),
		})
	}
}

func (l *Lane) peerRecord(p *peer, h wire.Header, rec wire.Record) {
	switch rec.Kind {
	case wire.KindAck:
		var a wire.Ack
		if a.Decode(rec.Body) == nil && a.Dir == wire.DirPeer && int(h.FromLane) < len(p.outs) {
			p.outs[h.FromLane].Ack(a.Seq, a.Again, l.now)
		}
	case wire.KindReleased:
		var m wire.Mark
		if m.Decode(rec.Body) == nil {
			l.say(&p.courses[h.FromLane], m.View)
		}
	case wire.KindForward:
		var f wire.Forward
		if f.Decode(rec.Body) != nil {
			l.metrics.dropped.WithLabelValues(dropFormat).Inc()
			return
		}
		ref := cluster.Ref{ID: f.FromID, Inc: f.FromInc}
		if _, dead := l.gone[ref]; dead {
			return
		}
		g := l.gateway(ref, int(f.Lanes))
		if int(f.FromLane) >= len(g.courses) {
			l.metrics.dropped.WithLabelValues(dropFormat).Inc()
			return
		}
		l.route(&item{
			from: Source{Gateway: g, Loop: f.FromLane}, via: p, view: f.View, rec: f.Record,
			course: &p.courses[h.FromLane], place: p.courses[h.FromLane].place(f.View),
		})
	default:
		if l.telling != nil {
			if !l.views.knows(h.View) {
				l.views.tidy = false
				c := &p.courses[h.FromLane]
				c.told = c.told || h.View != c.at()
			}
			l.telling.Peer(h.View, rec)
		}
	}
}

// say notes that a loop or a lane goes by a view.
func (l *Lane) say(c *course, view uint64) {
	c.say(view)
	if l.waiting.ahead > 0 && l.views.knows(view) {
		l.rerouteWaiting() // something may have waited for a view that was left since
	}
	l.settle()
}

// refused takes the NATS server's word that nobody listens where we sent a batch.
func (l *Lane) refused(m *nats.Msg) {
	if m.Header.Get("Status") != "503" {
		return
	}
	number, seq, ok := wire.ParseRefuse(m.Subject)
	if !ok {
		return
	}
	for ref, g := range l.gateways {
		if g.ends.out.Refused(number, seq) {
			l.suspect(ref, &g.ends)
			return
		}
	}
	for ref, p := range l.peers {
		for _, o := range p.outs {
			if o.Refused(number, seq) {
				l.suspect(ref, &p.ends)
				return
			}
		}
	}
}

// suspect says that a node is not where it should be: it may be dead, which is known so
// before its silence tells.
func (l *Lane) suspect(ref cluster.Ref, e *ends) {
	if l.now.Sub(e.suspected) >= suspectEvery {
		e.suspected = l.now
		l.node.member.Suspect(ref)
	}
}

func (l *Lane) event(e event) {
	switch {
	case e.views != nil:
		l.adopt(e.self, e.views)
	case e.reconnect != nil && e.reconnect == l.nc:
		for _, o := range l.outs {
			if o != nil {
				o.Reconnected(l.now)
			}
		}
	case e.is != nil:
		e.answer <- e.is(l)
	}
}

// result deals with a result of work done elsewhere; a view change may have waited for it.
func (l *Lane) result(call func()) {
	call()
	l.settle()
}

// Do has the lane call f, which may block no more than a Handler may. It is for other
// goroutines that worked for the lane, and waits while the lane has much to do. A lane that
// has ended calls nothing.
func (l *Lane) Do(f func()) {
	select {
	case l.calls <- f:
	case <-l.ended:
	}
}

// Tell passes a record to the lane that owns a key by the current view, which may be this one:
// its handler's Peer takes it. It reports false when nobody owns it. add appends the record.
func (l *Lane) Tell(key string, add func([]byte) []byte) bool {
	hash := cluster.Hash(key)
	i := l.views.current.Owner(hash)
	if i < 0 {
		return false
	}
	n := &l.views.current.Active[i]
	p := l.peers[n.Ref]
	if p == nil {
		return false
	}
	o := p.outs[cluster.Lane(hash, n.Lanes)]
	o.End(add(l.begin(o)), l.now)
	return true
}

// Moved reports whether a key has another owner by the current view than by the one
// before.
func (l *Lane) Moved(key string) bool {
	hash := cluster.Hash(key)
	was, is := l.views.before.Owner(hash), l.views.current.Owner(hash)
	return was < 0 || is < 0 || l.views.before.Active[was].Ref != l.views.current.Active[is].Ref
}

// Owns reports whether a key is this lane's by the current view.
func (l *Lane) Owns(key string) bool { return l.owns(cluster.Hash(key)) }

// Knows reports whether a view is the current one or a past one.
func (l *Lane) Knows(view uint64) bool { return l.views.knows(view) }

// Open reports whether all keys of the current view are open.
func (l *Lane) Open() bool { return l.views.open }

// Now is the time of this turn.
func (l *Lane) Now() time.Time { return l.now }

// Self is who this node is.
func (l *Lane) Self() cluster.Ref { return l.self }

// View is the version of the view that the lane goes by.
func (l *Lane) View() uint64 { return l.views.current.Version }

// Index is the lane's number within its node.
func (l *Lane) Index() int { return l.index }

// NextID returns a message id that nobody else gives: this life of this lane, and a number.
// It is valid until the next call.
func (l *Lane) NextID() string {
	l.serial++
	b := strconv.AppendUint(l.id[:0], l.self.ID, 36)
	b = append(b, '-')
	b = strconv.AppendUint(b, uint64(l.self.Inc), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(l.index), 36)
	b = append(b, '-')
	l.id = strconv.AppendUint(b, l.serial, 36)
	return unsafe.String(unsafe.SliceData(l.id), len(l.id))
}

// Known returns the gateway of that reference, nil when the lane knows none.
func (l *Lane) Known(ref cluster.Ref) *Gateway { return l.gateways[ref] }

// Alive reports whether a gateway, which may be nil, is one that the lane still knows: after Forget,
// nothing can be sent to it.
func (l *Lane) Alive(g *Gateway) bool { return g != nil && l.gateways[g.Ref] == g }

// Begin returns the batch for a gateway, to append one down record to; End takes it back.
// It travels at the end of the turn.
func (l *Lane) Begin(g *Gateway) []byte { return l.begin(g.ends.out) }

// End takes back the batch from Begin.
func (l *Lane) End(g *Gateway, b []byte) { g.ends.out.End(b, l.now) }

func (l *Lane) begin(o *link.Out) []byte {
	if !o.Pending() {
		l.dirty = append(l.dirty, o)
	}
	return o.Begin(l.views.current.Version, l.now)
}

// gateway finds or begins what the lane knows of a gateway. Its batches may come before
// its first heartbeat.
func (l *Lane) gateway(ref cluster.Ref, lanes int) *Gateway {
	if g := l.gateways[ref]; g != nil {
		return g
	}
	lanes = max(lanes, 1)
	g := &Gateway{Ref: ref, ends: newEnds(lanes, l.now), courses: make([]course, lanes)}
	g.ends.out = l.newOut(ref, wire.Down(ref.ID, l.index%lanes), downBound)
	for g.Slot < len(l.slots) && l.slots[g.Slot] != nil {
		g.Slot++
	}
	if g.Slot == len(l.slots) {
		l.slots = append(l.slots, nil)
	}
	l.slots[g.Slot] = g
	l.gateways[ref] = g
	return g
}

func (l *Lane) addPeer(n cluster.Node) *peer {
	lanes := max(n.Lanes, 1)
	p := &peer{ref: n.Ref, node: n, ends: newEnds(lanes, l.now), courses: make([]course, lanes)}
	for i := range lanes {
		p.outs = append(p.outs, l.newOut(n.Ref, wire.Peer(n.ID, i), peerBound))
	}
	l.peers[n.Ref] = p
	return p
}

func (l *Lane) newOut(to cluster.Ref, subject string, bound int) *link.Out {
	n := 0
	for n < len(l.outs) && l.outs[n] != nil {
		n++
	}
	l.links++
	o := link.NewOut(link.Config{
		Header: wire.Header{
			FromID: l.self.ID, FromInc: l.self.Inc, FromLane: uint16(l.index),
			Lanes: uint8(l.node.self.Lanes), ToInc: to.Inc,
		},
		Subject: subject,
		Refuse:  wire.Refuse(l.self.ID, l.index),
		Number:  l.links,
		Bound:   bound,
		Pool:    &l.pool,
		Send:    l.send,
	})
	if n == len(l.outs) {
		l.outs = append(l.outs, nil)
	}
	l.outs[n] = o
	return o
}

func (l *Lane) closeOut(o *link.Out) {
	l.countLink(o)
	o.Close()
	for i := range l.outs {
		if l.outs[i] == o {
			l.outs[i] = nil
		}
	}
}
