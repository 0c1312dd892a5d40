package owner

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/supervise/fault"
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
	working Working // the same
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
	self      cluster.Ref
	now       time.Time
	pool      link.Pool
	gateways  map[cluster.Ref]*Gateway
	slots     []*Gateway
	peers     map[cluster.Ref]*peer
	gone      map[cluster.Ref]struct{}
	outs      []*link.Out // nil: closed
	links     uint64      // how many there have been
	dirty     []*link.Out // have a batch to flush
	acks      []byte      // scratch for a batch of acknowledgements
	owing     bool        // this turn brought something to acknowledge
	urgent    bool        // and it should not wait for a tick
	ticked    time.Time   // when Telling.Tick was last called
	idle      bool        // the next tick is tickIdle away
	views     viewState
	fromLater bool // see FromLater
	waiting   waitRoom
	id        []byte // scratch for MessageID
	serial    uint64 // of the last that MessageID gave
	back      []item // what a peer that is gone never took, until adopt has dealt with it
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
	l.working, _ = l.handler.(Working)
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
		fault.Point("lane.turn")
		l.flush()
		if l.idle && l.owing {
			l.idle = false
			timer.Reset(tickBusy)
		}
		l.owing = false
		l.node.pulses[l.index].Turned(time.Since(l.now))
	}
}

const (
	tickBusy = link.AckDelay
	tickIdle = 250 * time.Millisecond

	tickWorking = 200 * time.Millisecond // between two calls of Working.Tick, at least
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
	if l.working != nil && l.now.Sub(l.ticked) >= tickWorking {
		l.ticked = l.now
		l.working.Tick()
	}
	if busy || l.waiting.len() > 0 {
		return tickBusy
	}
	return tickIdle
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
		if e.self.Inc >= l.self.Inc { // otherwise of a life before this lane's
			l.adopt(e.self, e.views)
		}
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

func (l *Lane) begin(o *link.Out) []byte {
	if !o.Pending() {
		l.dirty = append(l.dirty, o)
	}
	return o.Begin(l.views.current.Version, l.now)
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
