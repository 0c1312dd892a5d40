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
	// may wait for that; past it they fail at once.
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
	start   func(call func())                   // static: wg.Go, but in tests
	slots   chan struct{}                       // holds one for each call under way
	circuit *gobreaker.CircuitBreaker[struct{}] // nil where the dependency has its own
	wg      sync.WaitGroup

	mu      sync.Mutex
	waiting int
}

func newCrew(m *metrics) *crew {
	c := &crew{metrics: m, slots: make(chan struct{}, crewSize)}
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
	if !c.enter() {
		c.metrics.overload.Inc()
		do = func(context.Context) error { return errBusy }
	}
	c.start(func() {
		c.slots <- struct{}{}
		err := c.call(do)
		<-c.slots
		c.leave()
		l.Do(func() { done(err) })
	})
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

func (c *crew) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting++
	return c.waiting <= crewQueue
}

func (c *crew) leave() {
	c.mu.Lock()
	c.waiting--
	c.mu.Unlock()
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
