package presence

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/circuit"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/presence/durable"
)

const (
	// crewSize is how many calls to one dependency a node makes at a time, and crewQueue how many
	// may wait for that; past it they fail.
	crewSize  = 64
	crewQueue = 1 << 16
	// tripRow is after how many calls in a row that found JetStream away none is made for openTime; the
	// next one then decides.
	tripRow  = 5
	openTime = time.Second
)

// errBusy fails a call that would have to wait behind too many.
var errBusy = errors.New("too many calls wait")

// crew makes the calls to one dependency for which a lane cannot wait, and gives it the results. It is
// safe for concurrent use.
type crew struct {
	metrics *metrics
	ctx     context.Context // static: done when the node ends
	end     context.CancelFunc
	start   func(hand func())                   // static: wg.Go, but in tests
	circuit *gobreaker.CircuitBreaker[struct{}] // nil where the dependency has its own
	wg      sync.WaitGroup

	mu    sync.Mutex
	hands int      // goroutines that make calls, crewSize at most; guarded by mu
	queue []func() // calls that wait for one of them; guarded by mu
}

func newCrew(m *metrics) *crew {
	c := &crew{metrics: m}
	c.ctx, c.end = context.WithCancel(context.Background())
	c.start = c.wg.Go
	return c
}

// guard puts a circuit breaker before the calls of a crew for JetStream.
func (c *crew) guard(f metric.Factory, log *zap.Logger) {
	m := circuit.NewMetrics(f, "jetstream")
	c.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "jetstream", MaxRequests: 1, Timeout: openTime,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= tripRow },
		IsSuccessful: func(err error) bool { return !errors.Is(err, durable.ErrUnavailable) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			m.Changed(to)
			switch {
			case from == gobreaker.StateClosed:
				log.Warn("JetStream is away: durable rooms, and rooms that are not open yet, are refused until it is back")
			case to == gobreaker.StateClosed:
				log.Info("JetStream is back")
			}
		},
	})
}

// work has do called on a goroutine, and then done, with its error, on the lane's, unless that has ended.
func (c *crew) work(l *owner.Lane, do func(context.Context) error, done func(error)) {
	call := func() {
		err := c.call(do)
		l.Do(func() { done(err) })
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.hands < crewSize:
		c.hands++
		c.start(func() { c.toil(call) })
		return
	case len(c.queue) >= crewQueue:
		c.metrics.overload.Inc()
		do = func(context.Context) error { return errBusy }
	}
	c.queue = append(c.queue, call)
}

// toil makes a call, and then those that wait. A goroutine for each that waits would cost some kB.
func (c *crew) toil(call func()) {
	for call != nil {
		call()
		call = c.next()
	}
}

// next takes a call from the queue; nil when none waits, and the caller is to end.
func (c *crew) next() func() {
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

func (c *crew) call(do func(context.Context) error) error {
	if c.circuit == nil {
		return do(c.ctx)
	}
	_, err := c.circuit.Execute(func() (struct{}, error) { return struct{}{}, do(c.ctx) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return durable.ErrUnavailable
	}
	return err
}

// health is nil while calls are made.
func (c *crew) health() error {
	if c.circuit != nil && c.circuit.State() == gobreaker.StateOpen {
		return errors.New("circuit breaker open: JetStream does not answer")
	}
	return nil
}

// stop ends the calls under way and waits for them.
func (c *crew) stop() {
	c.end()
	c.wg.Wait()
}
