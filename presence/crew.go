package presence

import (
	"context"
	"sync"

	"github.com/realtime-cluster/realtime/pkg/owner"
)

const (
	// crewSize is how many calls to Redis and JetStream a node makes at a time, and crewQueue how many
	// may wait for that; past it they fail at once.
	crewSize  = 64
	crewQueue = 1 << 16
)

// crew makes the calls for which a lane cannot wait, and gives it the results. It is safe for
// concurrent use.
type crew struct {
	metrics *metrics
	ctx     context.Context // static: done when the node ends
	end     context.CancelFunc
	over    context.Context // static: done from the beginning
	slots   chan struct{}   // holds one for each call under way
	wg      sync.WaitGroup

	mu      sync.Mutex
	waiting int
}

func newCrew(m *metrics) *crew {
	c := &crew{metrics: m, slots: make(chan struct{}, crewSize)}
	c.ctx, c.end = context.WithCancel(context.Background())
	over, cancel := context.WithCancel(context.Background())
	cancel()
	c.over = over
	return c
}

// work has do called on a goroutine, and then done on the lane's, unless that has ended. The context
// that do gets is done when the node ends, or when too many wait already.
func (c *crew) work(l *owner.Lane, do func(context.Context), done func()) {
	ctx := c.ctx
	if !c.enter() {
		c.metrics.overload.Inc()
		ctx = c.over
	}
	c.wg.Go(func() {
		c.slots <- struct{}{}
		do(ctx)
		<-c.slots
		if ctx == c.ctx {
			c.leave()
		}
		l.Do(done)
	})
}

func (c *crew) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting >= crewQueue {
		return false
	}
	c.waiting++
	return true
}

func (c *crew) leave() {
	c.mu.Lock()
	c.waiting--
	c.mu.Unlock()
}

// stop ends the calls under way and waits for them.
func (c *crew) stop() {
	c.end()
	c.wg.Wait()
}
