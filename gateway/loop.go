package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/supervise"
	"github.com/realtime-cluster/realtime/pkg/supervise/fault"
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
	mail          *mailbox
	revoked       revoked
	refuse        *nats.Subscription
	heartbeat     uint32 // ticks
	clientTimeout uint32 // ticks
	requestTicks  uint32

	resting atomic.Bool   // it failed, and has not begun again
	over    chan struct{} // closed when it never will
	pulse   supervise.Pulse

	life
}

// life is what a loop has until it ends or fails. It is owned by the loop's goroutine.
type life struct {
	number  uint64  // 0: the first
	anew    bool    // it begins: owners are to forget the one before
	unheard bool    // some owner may not have heard of that yet: no clients
	door    []int32 // sockets that wait for it
	poll    *poller

	now   time.Time
	start time.Time // of tick 0
	conns slab
	wheel wheel
	tally tally // this turn's numbers, see metrics.go

	subscribed, waiting int // what this loop has added to the gauges of subscriptions, and of bytes in outboxes

	rbuf   []byte       // what a socket is read into
	header bytes.Reader // over rbuf, for the frame header
	hdr    [16]byte
	spare  []mail
	dealt  int // how many of spare are dealt with

	// The output of this turn, and of those before whose deliveries wait, see deliver.go.
	arena  []byte    // frames made here
	frames [][]byte  // all frames
	nodes  []node    // which connection gets which, in order
	marked []*conn   // connections with deliveries
	urgent []*conn   // connections with frames of their own
	rested time.Time // when deliveries may be written again
	gather []byte    // scratch: the frames of one connection in a row

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
	self       cluster.Ref
	routers    realm                   // of topics
	presences  realm                   // of users and rooms
	outs       []*link.Out             // nil: closed
	from       *upstream               // whose batch is being dealt with; nil: not known
	source     *link.Out               // to the lane that it comes from; nil: not known
	fromLane   int                     // that lane
	leaving    []leaving               // oldest first
	unjoined   map[*entry]struct{}     // rooms whose owner did not answer
	households map[uint32]netip.Prefix // of connections, by slot; only where their number is bounded
	probes     map[uint32]probe        // by the connection's slot, see probe.go
	key        []byte                  // scratch
	links      uint64                  // how many there have been
	dirty      []*link.Out
	pool       link.Pool
	broadcast  protocol.Broadcast // scratch
	envelope   protocol.Envelope  // scratch

	subscription protocol.Subscribe // scratch

	// Limits, see limits.go.
	tokens, tried int                    // of the common budget: taken and not used, and asked for, in this turn
	budgets       map[string]*userBudget // by user; some of those that are active
	budget        *userBudget            // the one asked for last, for the connection budgetOf
	budgetOf      connRef
	reporting     []*userBudget          // whose demand is to be reported
	pinned        map[string]*userBudget // by user's key: those of users who are also on other gateways
	unpinned      bool                   // an earlier life's are

	closing   bool           // shutting down: no new connections
	farewells uint32         // the slot at which the next goodbyes begin, see drain.go
	views     *cluster.Views // the last that were adopted, or were about to be; nil: none
}

func newLoop(g *Gateway, index int) (*loop, error) {
	first, err := newLife(g)
	return &loop{
		gw: g, index: index, mail: newMailbox(), over: make(chan struct{}), life: first,
		log:           g.log.With(zap.Int("loop", index)),
		nats:          g.conns[index%len(g.conns)],
		heartbeat:     ticks(g.cfg.HeartbeatInterval),
		clientTimeout: ticks(g.cfg.ClientTimeout),
		requestTicks:  ticks(g.cfg.RequestTimeout),
	}, err
}

func newLife(g *Gateway) (life, error) {
	poll, err := newPoller()
	return life{
		poll:      poll,
		start:     time.Now(),
		rbuf:      make([]byte, readSize),
		entries:   make(map[string]*entry),
		tracks:    make(map[string]*track),
		chasing:   make(map[*track]struct{}),
		departed:  make(map[sessionKey]departed),
		self:      g.self.Ref,
		routers:   newRealm(cluster.RoleRouter),
		presences: newRealm(cluster.RolePresence),
		probes:    make(map[uint32]probe),
		unjoined:  make(map[*entry]struct{}),
	}, err
}

// run is the loop. It ends when ctx is done, and has closed every connection then. An error says that sockets are not
// watched any more. After that, and after a panic, dropAll has to be called.
func (l *loop) run(ctx context.Context) error {
	socks := make(chan []ready)
	done := make(chan struct{})
	stopped := make(chan error, 1)
	go func() { stopped <- supervise.Call(func() error { return watch(l.poll, socks, done) }) }()
	unwatched := false
	defer func() {
		l.poll.close()
		for !unwatched { // watch may be about to hand over one more list, or wait for the end of a turn
			select {
			case <-socks:
			case done <- struct{}{}:
			case <-stopped: //nolint:errcheck // why it ended does not matter any more
				unwatched = true
			}
		}
	}()
	ticker := time.NewTicker(tickLength)
	defer ticker.Stop()
	rest := time.NewTimer(time.Hour)
	defer rest.Stop()
	for ctx.Err() == nil {
		var list []ready
		select {
		case <-ctx.Done():
		case list = <-socks:
		case <-l.mail.wake:
		case <-ticker.C:
		case <-rest.C:
		case err := <-stopped:
			unwatched = true
			return fmt.Errorf("watch sockets: %w", err)
		}
		if wait := l.turn(list); wait > 0 {
			rest.Reset(wait)
		}
		if list != nil {
			done <- struct{}{}
		}
	}
	l.mail.close()
	l.closing = true
	l.rested = time.Time{}
	l.turn(nil) // what was posted meanwhile: sockets, perhaps
	l.closeDoor()
	l.conns.each(func(c *conn) { l.drop(c, endShutdown) })
	for _, o := range l.outs {
		if o != nil {
			l.closeOut(o)
		}
	}
	l.flushTally()
	return nil
}

// watch waits for sockets and hands the loop lists of those that are ready, one at a time:
// waking the loop from here costs no system call, and neither does posting mail. It returns an error when
// the poller is closed, or fails.
func watch(poll *poller, socks chan<- []ready, done <-chan struct{}) error {
	var list []ready
	for {
		var err error
		if list, err = poll.wait(list[:0]); err != nil {
			return err
		}
		socks <- list
		<-done
	}
}

// turn takes what has come, then writes each socket and each batch once. It returns when another turn is due for deliveries
// that wait; 0: never.
func (l *loop) turn(list []ready) (due time.Duration) {
	l.now = time.Now()
	l.spare = l.mail.take(l.spare)
	for l.dealt = 0; l.dealt < len(l.spare); l.dealt++ {
		if m := &l.spare[l.dealt]; m.batch != nil {
			l.down(m.batch)
		} else {
			m.do(l)
		}
	}
	fault.Point("gateway.turn")
	for i := range list {
		l.ready(&list[i])
	}
	l.tick()
	l.askAtOnce()
	due = l.drainTurn()
	l.refeed()
	l.flushLinks()
	if l.unheard {
		l.reopen()
	}
	l.settleGlobal()
	clear(l.spare) // the batches are no longer needed
	took := time.Since(l.now)
	l.gw.metrics.turnSeconds.Observe(took.Seconds())
	l.pulse.Turned(took)
	l.flushTally()
	return due
}

// ready deals with one socket that the poller named. A panic in it costs that connection.
func (l *loop) ready(r *ready) {
	c := l.conns.get(r.slot, r.gen)
	if c == nil {
		return
	}
	defer l.guard(c)
	fault.Point("gateway.ready")
	if r.write && c.writing {
		l.writable(c)
	}
	if r.read && c.state != stateFree && c.gen == r.gen {
		l.readable(c)
	}
}
