package circuit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
)

// Config configures a Breaker.
type Config struct {
	Dependency string
	Window     time.Duration // over which failures are counted; 0: since the circuit was closed
	Open       time.Duration // for how long no call is made; the next one then decides

	// Trips tells whether the circuit opens.
	Trips   func(n gobreaker.Counts) bool
	Eager   bool              // until the dependency has answered once, one failure will do
	Away    func(error) bool  // whether an error is the dependency's fault; nil: each one is
	Explain func(error) error // how a failure is told; nil: as it is

	Metrics    Metrics
	Log        *zap.Logger
	Lost, Back string // what is logged when it goes, and when it is back
}

// Breaker is a circuit breaker before a dependency. It is safe for concurrent use.
type Breaker struct {
	circuit *gobreaker.CircuitBreaker[struct{}]
	cfg     Config

	answered atomic.Bool           // the dependency has answered at least once
	reason   atomic.Pointer[error] // of the latest failure
	opened   time.Time             // owned by changed, which the circuit calls under its lock
}

// buckets is how many parts a Window has.
const buckets = 10

// NewBreaker returns a Breaker that is closed.
func NewBreaker(cfg Config) *Breaker {
	b := &Breaker{cfg: cfg}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          cfg.Dependency,
		MaxRequests:   1,
		Interval:      cfg.Window,
		BucketPeriod:  cfg.Window / buckets,
		Timeout:       cfg.Open,
		ReadyToTrip:   func(n gobreaker.Counts) bool { return cfg.Eager && !b.answered.Load() || cfg.Trips(n) },
		OnStateChange: b.changed,
		IsSuccessful:  func(err error) bool { return !b.away(err) },
		IsExcluded:    Abandoned,
	})
	return b
}

func (b *Breaker) away(err error) bool { return err != nil && (b.cfg.Away == nil || b.cfg.Away(err)) }

// changed logs when the dependency goes and comes, not every attempt in between.
func (b *Breaker) changed(_ string, from, to gobreaker.State) {
	b.cfg.Metrics.Changed(to)
	switch {
	case from == gobreaker.StateClosed:
		b.opened = time.Now()
		b.cfg.Log.Warn(b.cfg.Lost, zap.Error(b.Cause()))
	case to == gobreaker.StateClosed:
		b.cfg.Log.Info(b.cfg.Back, zap.Duration("away", time.Since(b.opened)))
	}
}

// abandoned is the end of the caller's context: it says nothing about the dependency.
type abandoned struct{ error }

func (a abandoned) Unwrap() error { return a.error }

// Do makes a call, unless the circuit is open: Refused tells that of an error. When ctx is done, the error wraps ctx's
// own, Abandoned tells so, and nothing is held against the dependency.
func (b *Breaker) Do(ctx context.Context, call func() error) error {
	_, err := b.circuit.Execute(func() (struct{}, error) {
		err := call()
		switch {
		case err == nil:
			b.answered.Store(true)
		case ctx.Err() != nil:
			err = abandoned{ctx.Err()}
		case b.away(err):
			if b.cfg.Explain != nil {
				err = b.cfg.Explain(err)
			}
			b.reason.Store(&err)
		}
		return struct{}{}, err
	})
	return err
}

// Abandoned tells whether err is that of a call whose caller gave up.
func Abandoned(err error) bool { return errors.As(err, new(abandoned)) }

// Refused tells whether err is that of a call which was not made, because the circuit is open.
func Refused(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}

// Cause is the latest failure.
func (b *Breaker) Cause() error {
	if err := b.reason.Load(); err != nil {
		return *err
	}
	return errors.New("no call was made yet")
}

// State is that of the circuit.
func (b *Breaker) State() gobreaker.State { return b.circuit.State() }

// Health is nil while the circuit is closed.
func (b *Breaker) Health() error {
	if s := b.State(); s != gobreaker.StateClosed {
		return fmt.Errorf("circuit breaker %s: %w", s, b.Cause())
	}
	return nil
}

// Retry makes a call up to tries times, until it does not fail, or fails in a way for which again is false. Before it
// is repeated there is a pause of 0 to wait × tries so far. It returns the last error.
func Retry(ctx context.Context, tries int, wait time.Duration, again func(error) bool, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if err == nil || n == tries || !again(err) {
			return err
		}
		select {
		case <-time.After(rand.N(wait * time.Duration(n))):
		case <-ctx.Done():
			return err
		}
	}
}
