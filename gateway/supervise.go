package gateway

import (
	"context"

	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// supervise runs what ends only when ctx is done, and has no state that its failure could spoil.
func (g *Gateway) supervise(ctx context.Context, name string, run func(context.Context)) {
	g.cfg.Supervisor.Run(ctx, supervise.Part{
		Name: name,
		Run: func(ctx context.Context) error {
			run(ctx)
			return nil
		},
	})
}

// superviseVital runs what the gateway cannot go on without when it returns an error: the listener or the NATS connection is closed for good,
// and no restart helps. That is told to failed; a panic is not. clean, which may be nil, is called after a panic. pulse may be nil, too.
func (g *Gateway) superviseVital(ctx context.Context, name string, failed chan<- error, run func(context.Context) error, clean func(), pulse *supervise.Pulse) {
	g.cfg.Supervisor.Run(ctx, supervise.Part{
		Name:  name,
		Pulse: pulse,
		Run: func(ctx context.Context) error {
			err := run(ctx)
			if err != nil {
				failed <- err
				<-ctx.Done()
			}
			return err
		},
		Failed: clean,
	})
}

// superviseWatch follows the state of a NATS connection.
func (g *Gateway) superviseWatch(ctx context.Context, c *natsConn) {
	g.supervise(ctx, "gateway connection watch", func(ctx context.Context) {
		if g.watch(ctx, c); c.IsClosed() {
			<-ctx.Done() // nothing will come
		}
	})
}
