package gateway

import (
	"bytes"
	"context"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

const (
	// drainAfter is how many frames may be marked before a turn writes what it has.
	drainAfter = 1 << 16
	// readSize is how much is read from one socket in one turn.
	readSize = 64 << 10
	// arenaKeep is how much of the memory for a turn's own frames is kept.
	arenaKeep = 1 << 20
)

// loop is one event loop: its sockets, its subscriptions, its links.
type loop struct {
	// Static.
	gw            *Gateway
	index         int
	log           *zap.Logger
	nats          *natsConn
	poll          *poller
	mail          *mailbox
	refuse        *nats.Subscription
	heartbeat     uint32 // ticks
	clientTimeout uint32 // ticks
	requestTicks  uint32

	// Everything below is owned by the loop's goroutine.
	now   time.Time
	start time.Time // of tick 0
	conns slab
	wheel wheel
	tally tally // this turn's numbers, see metrics.go

	rbuf   []byte       // what a socket is read into
	header bytes.Reader // over rbuf, for the frame header
	hdr    [16]byte
	spare  []mail

	// This turn's output, see deliver.go.
	arena  []byte   // frames made here
	frames [][]byte // all frames of the turn
	nodes  []node   // which connection gets which, in order
	marked []*conn  // connections with frames
	gather []byte   // scratch: the frames of one connection in a row

	// What connections here are interested in, by key (wire.UserKey and the like), see entry.go.
	entries  map[string]*entry
	patterns topic.Tree[*entry]
	ops      opTable
	tracks   map[string]*track       // of what has history, by key, see track.go
	chasing  map[*track]struct{}     // those of which something is lacking
	swept    uint32                  // tick at which tracks were last looked through
	fed      []connRef               // connections that got pages in this turn
	toSave   []connRef               // whose sessions have changed
	unsure   []unsure                // connections that are to be asked what they have read
	askNow   []connRef               // connections that are to be asked at the end of the turn what they have read
	asked    uint32                  // number of the last such ping
	departed map[sessionKey]departed // sessions of connections that have ended

	// Owners, see upstream.go.
	self      cluster.Ref
	routers   realm               // of topics
	presences realm               // of users and rooms
	outs      []*link.Out         // nil: closed
	from      *upstream           // whose batch is being dealt with; nil: not known
	source    *link.Out           // to the lane that it comes from; nil: not known
	fromLane  int                 // that lane
	leaving   []leaving           // oldest first
	unjoined  map[*entry]struct{} // rooms whose owner did not answer
	probes    map[uint32]probe    // by the connection's slot, see probe.go
	key       []byte              // scratch
	links     uint64              // how many there have been
	dirty     []*link.Out
	pool      link.Pool
	broadcast protocol.Broadcast // scratch
	envelope  protocol.Envelope  // scratch

	subscription protocol.Subscribe // scratch

	closing bool // shutting down: no new connections
}

func newLoop(g *Gateway, index int) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{
		gw: g, index: index, poll: poll, mail: newMailbox(),
		log:           g.log.With(zap.Int("loop", index)),
		nats:          g.conns[index%len(g.conns)],
		heartbeat:     ticks(g.cfg.HeartbeatInterval),
		clientTimeout: ticks(g.cfg.ClientTimeout),
		requestTicks:  ticks(g.cfg.RequestTimeout),
		start:         time.Now(),
		rbuf:          make([]byte, readSize),
		entries:       make(map[string]*entry),
		tracks:        make(map[string]*track),
		chasing:       make(map[*track]struct{}),
		departed:      make(map[sessionKey]departed),
		self:          g.self.Ref,
		routers:       newRealm(cluster.RoleRouter),
		presences:     newRealm(cluster.RolePresence),
		probes:        make(map[uint32]probe),
		unjoined:      make(map[*entry]struct{}),
	}, nil
}

// run is the loop. It ends when ctx is done, and has closed every connection then.
func (l *loop) run(ctx context.Context) {
	socks := make(chan []ready)
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		l.watch(socks, done)
	}()
	ticker := time.NewTicker(tickLength)
	defer ticker.Stop()
	for ctx.Err() == nil {
		var list []ready
		select {
		case <-ctx.Done():
		case list = <-socks:
		case <-l.mail.wake:
		case <-ticker.C:
		}
		l.turn(list)
		if list != nil {
			done <- struct{}{}
		}
	}
	l.mail.close()
	l.closing = true
	l.turn(nil) // what was posted meanwhile: sockets, perhaps
	l.conns.each(func(c *conn) { l.drop(c, endShutdown) })
	for _, o := range l.outs {
		if o != nil {
			l.closeOut(o)
		}
	}
	l.tally.flush(l.gw.metrics)
	l.poll.close()
	for { // watch may be about to hand over one more list
		select {
		case <-socks:
			done <- struct{}{}
		case <-stopped:
			return
		}
	}
}

// watch waits for sockets and hands the loop lists of those that are ready, one at a time:
// waking the loop from here costs no system call, and neither does posting mail.
func (l *loop) watch(socks chan<- []ready, done <-chan struct{}) {
	var list []ready
	for {
		var err error
		if list, err = l.poll.wait(list[:0]); err != nil {
			return // closed
		}
		socks <- list
		<-done
	}
}

// turn takes what has come, then writes each socket and each batch once.
func (l *loop) turn(list []ready) {
	l.now = time.Now()
	l.spare = l.mail.take(l.spare)
	for _, m := range l.spare {
		if m.batch != nil {
			l.down(m.batch)
		} else {
			m.do(l)
		}
	}
	for i := range list {
		l.ready(&list[i])
	}
	l.tick()
	l.askAtOnce()
	l.drain()
	l.refeed()
	l.flushLinks()
	clear(l.spare) // the batches are no longer needed
	l.tally.turn(l.gw.metrics, time.Since(l.now))
}

// ready deals with one socket that the poller named. A panic in it costs that connection.
func (l *loop) ready(r *ready) {
	c := l.conns.get(r.slot, r.gen)
	if c == nil {
		return
	}
	defer l.guard(c)
	if r.write && c.writing {
		l.writable(c)
	}
	if r.read && c.state != stateFree && c.gen == r.gen {
		l.readable(c)
	}
}

// guard ends the connection whose handling panicked.
func (l *loop) guard(c *conn) {
	if p := recover(); p != nil {
		l.gw.metrics.panics.Inc()
		l.log.Error("panic in a connection", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
		l.drop(c, endPanic)
	}
}
