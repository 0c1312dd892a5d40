package crew

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/circuit"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

const (
	// The circuit opens after tripRow calls in a row that found the dependency away, when none has found it there for tripQuiet:
	// while one stream of several elects a leader, the calls of the others go on.
	tripRow   = 5
	tripQuiet = 2 * time.Second
	// openTime is how long nothing is tried, and then how long one attempt may take.
	openTime = time.Second
)

// Breaker is a circuit breaker before a dependency that has none of its own.
type Breaker struct {
	Name  string                      // of the dependency, in the metrics
	Away  error                       // calls that fail with it count against the dependency, and get it while the circuit is not closed
	Probe func(context.Context) error // tried every second while the circuit is not closed: nil closes it, nothing else does
	Doubt func() bool                 // whether a call that works shows nothing just now; nil: each one does

	Registry metric.Factory
	Lost     string // what is logged when the circuit opens
	Back     string // and when it is closed again
	Log      *zap.Logger
}

// guard is a circuit breaker, and what tries whether the dependency is back.
type guard struct {
	circuit  *circuit.Breaker
	away     error                       // static
	probe    func(context.Context) error // static
	doubt    func() bool                 // static; may be nil
	worked   atomic.Int64                // Unix nanoseconds: the latest call that found the dependency there
	watching bool                        // guarded by Crew.mu
}

// Guard puts a circuit breaker before the calls.
func (c *Crew) Guard(b Breaker) {
	g := &guard{away: b.Away, probe: b.Probe, doubt: b.Doubt}
	g.circuit = circuit.NewBreaker(circuit.Config{
		Dependency: b.Name,
		Open:       openTime,
		Trips: func(n gobreaker.Counts) bool {
			return n.ConsecutiveFailures >= tripRow && time.Since(time.Unix(0, g.worked.Load())) >= tripQuiet
		},
		Away:    func(err error) bool { return errors.Is(err, b.Away) },
		Metrics: circuit.NewMetrics(b.Registry, b.Name),
		Log:     b.Log, Lost: b.Lost, Back: b.Back,
	})
	c.guard = g
}

// guarded makes a call, unless the circuit is open.
func (c *Crew) guarded(do func(context.Context) error) error {
	g := c.guard
	if g.circuit.State() != gobreaker.StateClosed {
		return g.away
	}
	err := do(c.ctx)
	if errors.Is(err, g.away) || g.doubt == nil || !g.doubt() {
		c.Note(err)
	}
	return err
}

// Note tells how a call to the dependency ended: one that was not made by the crew, too.
func (c *Crew) Note(err error) {
	g := c.guard
	if g == nil || g.circuit.State() != gobreaker.StateClosed {
		return
	}
	_ = g.circuit.Do(c.ctx, func() error { return err }) // it is the caller's
	if !errors.Is(err, g.away) {
		g.worked.Store(time.Now().UnixNano())
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !g.watching && c.ctx.Err() == nil && g.circuit.State() != gobreaker.StateClosed {
		g.watching = true
		c.wg.Go(c.watch)
	}
}

// watch tries until the dependency is back: whether anybody calls or not, /health tells how it is.
func (c *Crew) watch() {
	tick := time.NewTicker(openTime / 4)
	defer tick.Stop()
	for !c.watched() {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		if g := c.guard; g.circuit.State() == gobreaker.StateHalfOpen {
			_ = g.circuit.Do(c.ctx, c.try) // the circuit keeps it
		}
	}
}

// watched reports whether the circuit is closed, and ends the watch if so.
func (c *Crew) watched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guard.watching = c.guard.circuit.State() != gobreaker.StateClosed
	return !c.guard.watching
}

func (c *Crew) try() error {
	ctx, cancel := context.WithTimeout(c.ctx, openTime)
	defer cancel()
	if err := c.guard.probe(ctx); err != nil {
		return fmt.Errorf("%w: %w", c.guard.away, err)
	}
	return nil
}

// Health is nil while calls are made.
func (c *Crew) Health() error {
	if c.guard == nil {
		return nil
	}
	return c.guard.circuit.Health()
}
