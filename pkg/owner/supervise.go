package owner

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// superviseLane runs one of the node's lanes, and another one in its place when that fails.
//
// A lane that failed has lost what it was told, and nobody knows which of what it sent has come. That is what a node has
// lost that the others took for dead, so the way back is the same: the node goes on under a new incarnation, all its lanes drop what
// they had, and the gateways and other owners tell it again. The new lane takes nothing that was sent to the incarnation before.
func (n *Node) superviseLane(ctx context.Context, i int) {
	first := true
	n.cfg.Supervisor.Run(ctx, supervise.Part{
		Name:  fmt.Sprintf("%s lane %d", n.cfg.Role, i),
		Pulse: &n.pulses[i],
		Run: func(ctx context.Context) error {
			if first {
				first = false
			} else if err := n.renewLane(i); err != nil {
				return err
			}
			n.lanes[i].Load().run(ctx)
			return nil
		},
		Failed: func() { n.lanes[i].Load().discard() },
		GaveUp: n.member.Leave, // others are to own its keys
	})
}

func (n *Node) renewLane(i int) error {
	l := newLane(n, i)
	l.self = cluster.Ref{ID: n.self.ID, Inc: n.member.Self().Inc + 1}
	n.lanes[i].Store(l)
	if err := l.subscribe(); err != nil {
		close(l.ended)
		return fmt.Errorf("subscribe: %w", err)
	}
	n.member.Renew()
	return nil
}

// superviseMember runs the membership. What it has heard while it failed is not known: the node goes on under a new incarnation. That
// its connection is closed for good, failed is told: no restart helps.
func (n *Node) superviseMember(ctx context.Context, failed chan<- error) {
	n.cfg.Supervisor.Run(ctx, supervise.Part{
		Name:  string(n.cfg.Role) + " membership",
		Pulse: &n.pulse,
		Run: func(ctx context.Context) error {
			err := n.member.Run(ctx)
			if err != nil {
				failed <- err
				<-ctx.Done()
			}
			return err
		},
		Failed: n.member.Renew,
	})
}

// superviseWatch follows the state of a connection.
func (n *Node) superviseWatch(ctx context.Context, nc *nats.Conn) {
	n.cfg.Supervisor.Run(ctx, supervise.Part{
		Name: string(n.cfg.Role) + " connection watch",
		Run: func(ctx context.Context) error {
			if n.watch(ctx, nc); nc.IsClosed() {
				<-ctx.Done() // nothing will come
			}
			return nil
		},
	})
}
