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
}

// Node is a router or a presence node: its membership and its lanes.
type Node struct {
	cfg     Config
	self    cluster.Node
	metrics *metrics
	member  *cluster.Member
	lanes   []*Lane

	started chan struct{} // closed when the node owns keys
	leaving atomic.Bool
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
	for i := range cfg.Lanes {
		n.lanes = append(n.lanes, newLane(n, i))
	}
	var err error
	n.member, err = cluster.New(cfg.Conns[0], cluster.Config{
		Self:       n.self,
		OnChange:   func(v *cluster.Views) { n.tell(event{views: v, self: n.member.Self().Ref}) },
		Log:        n.cfg.Log,
		Registerer: cfg.Registerer,
	})
	return n, err
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
		return errors.New("leaving")
	}
	for _, nc := range n.cfg.Conns {
		if !nc.IsConnected() {
			return errors.New("cut off from NATS")
		}
	}
	return nil
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
	for _, l := range n.lanes {
		if err := l.subscribe(); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		defer l.unsubscribe()
	}
	for _, nc := range n.cfg.Conns {
		if err := nc.FlushTimeout(5 * time.Second); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		wg.Go(func() { n.watch(ctx, nc) })
	}
	for _, l := range n.lanes {
		wg.Go(func() { l.run(ctx) })
	}
	failed := make(chan error, 1)
	wg.Go(func() { failed <- n.member.Run(ctx) })
	select {
	case <-n.member.Ready():
		n.member.Activate()
		close(n.started)
	case err := <-failed:
		return err
	case <-stop.Done():
		return nil
	}
	select {
	case err := <-failed:
		return errors.Join(errors.New("membership ended"), err)
	case <-stop.Done():
	}
	n.leaving.Store(true)
	n.member.Leave()
	n.handOver(kill)
	return nil
}

// handOver waits until no lane has anything left to do for the others.
func (n *Node) handOver(kill context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for settled := 0; settled < 3; { // three looks in a row: what was in flight has come
		select {
		case <-kill.Done():
			n.cfg.Log.Warn("stopped before everything was handed over")
			return
		case <-tick.C:
		}
		if n.quiet(kill) {
			settled++
		} else {
			settled = 0
		}
	}
}

func (n *Node) quiet(ctx context.Context) bool {
	if _, still := n.member.Views().Of(n.cfg.Role).Find(n.self.ID); still &&
		n.member.Self().State != cluster.Leaving {
		return false
	}
	for _, l := range n.lanes {
		answer := make(chan bool, 1)
		select {
		case l.events <- event{quiet: answer}:
		case <-ctx.Done():
			return false
		}
		select {
		case quiet := <-answer:
			if !quiet {
				return false
			}
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// tell passes an event to every lane. A lane that has ended takes no more.
func (n *Node) tell(e event) {
	for _, l := range n.lanes {
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
