package owner

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Detached is a lane whose node is not there: without a goroutine, NATS or a clock. Whoever made it brings it what
// comes, one turn a call, and gets what it sends. It is for the tests of Handlers (package
// ownertest).
type Detached struct{ lane *Lane }

// Detach makes the lane of a number of the node self, which sends with send. Of cfg it needs Handler, Log and
// Registerer, one that no other lane has.
func Detach(cfg Config, self cluster.Node, index int, send link.Send) *Detached {
	cfg.Role, cfg.Lanes, cfg.Conns = self.Role, self.Lanes, make([]*nats.Conn, 1)
	l := newLane(&Node{cfg: cfg, self: self, metrics: newMetrics(cfg.Registerer, cfg.Role)}, index)
	l.send = send
	return &Detached{l}
}

// turn is one turn of the lane, at a time.
func (d *Detached) turn(now time.Time, do func()) {
	d.lane.now = now
	do()
	d.lane.flush()
	d.lane.owing = false
}

// Adopt has the lane follow new views.
func (d *Detached) Adopt(now time.Time, v *cluster.Views) {
	d.turn(now, func() { d.lane.adopt(d.lane.self, v) })
}

// Receive has the lane deal with a batch that came from a gateway (wire.DirUp) or from another lane
// (wire.DirPeer).
func (d *Detached) Receive(now time.Time, batch []byte, dir wire.Dir) {
	d.turn(now, func() { d.lane.batch(batch, dir) })
}

// Tick has the lane do what is due by time.
func (d *Detached) Tick(now time.Time) { d.turn(now, func() { d.lane.tick() }) }

// Call has the lane deal with one result that Lane.Do brought. It reports false where there is none.
func (d *Detached) Call(now time.Time) bool {
	select {
	case f := <-d.lane.calls:
		d.turn(now, func() { d.lane.result(f) })
		return true
	default:
		return false
	}
}
