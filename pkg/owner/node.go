package owner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// Config is what a Node is made of.
type Config struct {
	Role       cluster.Role
	Name       string       // for people
	Version    string       // of the program
	Lanes      int          // 1–64
	Conns      []*nats.Conn // at least one; lanes are spread over them
	Handler    func(*Lane) Handler
	Log        *zap.Logger
	Registerer prometheus.Registerer
	Supervisor *supervise.Supervisor // restarts lanes; nil: one of the node's own, to which nobody listens
}

// Node is a router or a presence node: its membership and its lanes.
type Node struct {
	cfg     Config
	self    cluster.Node
	metrics *metrics
	member  *cluster.Member
	lanes   []atomic.Pointer[Lane] // another one where one failed
	pulses  []supervise.Pulse      // of the lanes
	pulse   supervise.Pulse        // of the membership

	started chan struct{} // closed when the node owns keys
	leaving atomic.Bool
	view    *cluster.View // the role's; owned by follow
	changed atomic.Int64  // when that last changed, Unix nanoseconds; set by follow
}

// New makes a Node. It starts nothing.
func New(cfg Config) (*Node, error) {
	n := &Node{
		cfg:     cfg,
		metrics: newMetrics(cfg.Registerer, cfg.Role),
		self: cluster.Node{
			Ref: cluster.Ref{ID: cluster.NewID()}, Role: cfg.Role, Name: cfg.Name,
			Lanes: cfg.Lanes, Version: cfg.Version,
		},
		started: make(chan struct{}),
	}
	n.cfg.Log = cfg.Log.With(zap.String("node", cluster.IDString(n.self.ID)))
	if n.cfg.Supervisor == nil {
		n.cfg.Supervisor = supervise.New(n.cfg.Log, nil, string(cfg.Role))
	}
	n.lanes, n.pulses = make([]atomic.Pointer[Lane], cfg.Lanes), make([]supervise.Pulse, cfg.Lanes)
	for i := range n.lanes {
		n.lanes[i].Store(newLane(n, i))
	}
	var err error
	n.member, err = cluster.New(cfg.Conns[0], cluster.Config{
		Self:       n.self,
		OnChange:   n.follow,
		Turned:     n.pulse.Turned,
		Log:        n.cfg.Log,
		Registerer: cfg.Registerer,
	})
	return n, err
}

// follow passes new views to the lanes.
func (n *Node) follow(v *cluster.Views) {
	if own := v.Of(n.cfg.Role); own != n.view {
		n.view = own
		n.changed.Store(time.Now().UnixNano())
	}
	n.tell(event{views: v, self: n.member.Self().Ref})
}

// Started is closed when the node has looked around and owns keys.
func (n *Node) Started() <-chan struct{} { return n.started }

// Ready reports why the node cannot do its work now, nil when it can.
func (n *Node) Ready() error {
	select {
	case <-n.started:
	default:
		return errors.New("starting")
	}
	if n.leaving.Load() {
		return errors.New("draining")
	}
	if !n.connected() {
		return errors.New("cut off from NATS")
	}
	return nil
}

// connected reports whether every NATS connection is up.
func (n *Node) connected() bool {
	for _, nc := range n.cfg.Conns {
		if !nc.IsConnected() {
			return false
		}
	}
	return true
}

// Views is the node's current picture of the cluster.
func (n *Node) Views() *cluster.Views { return n.member.Views() }

// Self is the node as its heartbeats describe it.
func (n *Node) Self() cluster.Node { return n.member.Self() }

// Run runs the node until stop is done; it then leaves the view, hands over what it owns, and
// returns when nothing is left or kill is done. Every goroutine has ended when it returns.
func (n *Node) Run(stop, kill context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(context.WithoutCancel(kill))
	defer cancel()
	for i := range n.lanes {
		if err := n.lanes[i].Load().subscribe(); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		defer func() { n.lanes[i].Load().unsubscribe() }()
	}
	for _, nc := range n.cfg.Conns {
		if err := nc.FlushTimeout(5 * time.Second); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		wg.Go(func() { n.superviseWatch(ctx, nc) })
	}
	for i := range n.lanes {
		wg.Go(func() { n.superviseLane(ctx, i) })
	}
	failed := make(chan error, 1)
	wg.Go(func() { n.superviseMember(ctx, failed) })
	select {
	case <-n.member.Ready():
	case err := <-failed:
		return err
	case <-stop.Done():
		return nil
	}
	n.await(stop, func() bool { return time.Since(time.Unix(0, n.changed.Load())) >= calmTime })
	if stop.Err() != nil {
		return nil
	}
	n.member.Activate()
	close(n.started)
	select {
	case err := <-failed:
		return errors.Join(errors.New("membership ended"), err)
	case <-stop.Done():
	}
	n.leaving.Store(true)
	n.await(kill, func() bool { return n.every(kill, (*Lane).settled) })
	n.member.Leave()
	n.handOver(kill)
	return nil
}

// calmTime is how long the view must have been the same before a node joins it.
const calmTime = 200 * time.Millisecond

// await waits for something, for HoldMax at most. Nodes that come and go in good order do so
// one after the other: a record is forwarded once, and what has to go a second way
// because the view changed again is refused.
func (n *Node) await(ctx context.Context, is func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); !is() && time.Since(began) < HoldMax; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// awayTime is how long a stop waits for NATS to come back: after it, the others take a node
// that they do not hear for dead, and what it had for them is of no use.
const awayTime = 3 * time.Second

// handOver waits until no lane has anything left to do for the others.
func (n *Node) handOver(kill context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	connected := time.Now()          // when it last was
	for settled := 0; settled < 3; { // three looks in a row: what was in flight has come
		select {
		case <-kill.Done():
			n.cfg.Log.Warn("stopped before everything was handed over")
			return
		case <-tick.C:
		}
		if n.connected() {
			connected = time.Now()
		} else if time.Since(connected) >= awayTime {
			n.cfg.Log.Warn("NATS is away: stopped before everything was handed over")
			return
		}
		if n.every(kill, (*Lane).quiet) {
			settled++
		} else {
			settled = 0
		}
	}
}

// every asks all lanes whether something is so.
func (n *Node) every(ctx context.Context, is func(*Lane) bool) bool {
	for i := range n.lanes {
		l := n.lanes[i].Load()
		answer := make(chan bool, 1)
		select {
		case l.events <- event{is: is, answer: answer}:
		case <-l.ended: // it failed, and has nothing
			continue
		case <-ctx.Done():
			return false
		}
		select {
		case so := <-answer:
			if !so {
				return false
			}
		case <-l.ended:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// tell passes an event to every lane. A lane that has ended takes no more.
func (n *Node) tell(e event) {
	for i := range n.lanes {
		l := n.lanes[i].Load()
		select {
		case l.events <- e:
		case <-l.ended:
		}
	}
}

// watch tells the lanes when a connection is back.
func (n *Node) watch(ctx context.Context, nc *nats.Conn) {
	status := nc.StatusChanged(nats.CONNECTED)
	defer nc.RemoveStatusListener(status)
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-status:
			if !ok {
				return
			}
			if s == nats.CONNECTED {
				n.tell(event{reconnect: nc})
			}
		}
	}
}
