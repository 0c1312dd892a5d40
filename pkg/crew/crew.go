// Package crew makes the calls for which an owner's lane cannot wait: to Redis, to JetStream.
package crew

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/circuit"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

const (
	// Size is how many calls to one dependency a node makes at a time, and queueMost how many
	// may wait for that; past it they fail.
	Size      = 64
	queueMost = 1 << 16
	// tripRow is after how many calls in a row that found JetStream away none is made for openTime; the
	// next one then decides.
	tripRow  = 5
	openTime = time.Second
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
	circuit  *gobreaker.CircuitBreaker[struct{}] // nil where the dependency has its own
	away     error                               // static: what calls get while the circuit is open
	wg       sync.WaitGroup

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

// Breaker is a circuit breaker before a dependency that has none of its own.
type Breaker struct {
	Name     string // of the dependency, in the metrics
	Away     error  // calls that fail with it count against the dependency, and get it while the circuit is open
	Registry metric.Factory
	Lost     string // what is logged when the circuit opens
	Back     string // and when it is closed again
	Log      *zap.Logger
}

// Guard puts a circuit breaker before the calls.
func (c *Crew) Guard(b Breaker) {
	m := circuit.NewMetrics(b.Registry, b.Name)
	c.away = b.Away
	c.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name: b.Name, MaxRequests: 1, Timeout: openTime,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= tripRow },
		IsSuccessful: func(err error) bool { return !errors.Is(err, b.Away) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			m.Changed(to)
			switch {
			case from == gobreaker.StateClosed:
				b.Log.Warn(b.Lost)
			case to == gobreaker.StateClosed:
				b.Log.Info(b.Back)
			}
		},
	})
}

// Work has do called on a goroutine, and then done, with its error, on the lane's, unless that has ended.
func (c *Crew) Work(l Lane, do func(context.Context) error, done func(error)) {
	call := func() {
		err := c.call(do)
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
	if c.circuit == nil {
		return do(c.ctx)
	}
	_, err := c.circuit.Execute(func() (struct{}, error) { return struct{}{}, do(c.ctx) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return c.away
	}
	return err
}

// Health is nil while calls are made.
func (c *Crew) Health() error {
	if c.circuit != nil && c.circuit.State() == gobreaker.StateOpen {
		return errors.New("circuit breaker open: it does not answer")
	}
	return nil
}

// Stop ends the calls under way and waits for them.
func (c *Crew) Stop() {
	c.end()
	c.wg.Wait()
}
