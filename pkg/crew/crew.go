// Package crew makes the calls for which an owner's lane cannot wait: to Redis, to JetStream.
package crew

import (
	"context"
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/supervise"
)

const (
	// Size is how many calls to one dependency a node makes at a time, and queueMost how many
	// may wait for that; past it they fail.
	Size      = 64
	queueMost = 1 << 16
)

// errBusy fails a call that would have to wait behind too many.
var errBusy = errors.New("too many calls wait")

// Lane is what takes the results: an owner.Lane.
type Lane interface{ Do(func()) }

// Crew makes the calls to one dependency for which a lane cannot wait, and gives it the results. It is
// safe for concurrent use.
type Crew struct {
	overload prometheus.Counter
	ctx      context.Context // static: done when the node ends
	end      context.CancelFunc
	guard    *guard // static; nil where the dependency has its own
	wg       sync.WaitGroup

	// Panicked is told of each panic in a call; nil: nobody is. It is set before the first call, and called on any goroutine.
	Panicked func(*supervise.Panic)

	// Start runs what makes calls, on a goroutine of its own. Tests replace it before the first call.
	Start func(hand func())

	mu    sync.Mutex
	hands int      // goroutines that make calls, Size at most; guarded by mu
	queue []func() // calls that wait for one of them; guarded by mu
}

// New makes a Crew. overload counts the calls that failed because too many waited.
func New(overload prometheus.Counter) *Crew {
	c := &Crew{overload: overload}
	c.ctx, c.end = context.WithCancel(context.Background())
	c.Start = c.wg.Go
	return c
}

// LogPanics has panics in calls logged.
func (c *Crew) LogPanics(log *zap.Logger) {
	c.Panicked = func(p *supervise.Panic) { log.Error("panic in a call to a dependency", p.Fields()...) }
}

// Work has do called on a goroutine, and then done, with its error, on the lane's, unless that has ended. A panic in do is
// its error, a *supervise.Panic.
func (c *Crew) Work(l Lane, do func(context.Context) error, done func(error)) {
	call := func() {
		err := supervise.Call(func() error { return c.call(do) })
		if p := new(supervise.Panic); c.Panicked != nil && errors.As(err, &p) {
			c.Panicked(p)
		}
		l.Do(func() { done(err) })
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.hands < Size:
		c.hands++
		c.Start(func() { c.toil(call) })
		return
	case len(c.queue) >= queueMost:
		c.overload.Inc()
		do = func(context.Context) error { return errBusy }
	}
	c.queue = append(c.queue, call)
}

// toil makes a call, and then those that wait. A goroutine for each that waits would cost some kB.
func (c *Crew) toil(call func()) {
	for call != nil {
		call()
		call = c.next()
	}
}

// next takes a call from the queue; nil when none waits, and the caller is to end.
func (c *Crew) next() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		c.hands--
		c.queue = nil
		return nil
	}
	call := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	return call
}

func (c *Crew) call(do func(context.Context) error) error {
	if c.guard == nil {
		return do(c.ctx)
	}
	return c.guarded(do)
}

// Stop ends the calls under way and waits for them.
func (c *Crew) Stop() {
	c.mu.Lock()
	c.end()
	c.mu.Unlock()
	c.wg.Wait()
}
