package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
)

const (
	// The breaker opens after so many failures in a row, or when at least tripRatio of tripCalls or
	// more calls failed within tripWindow. Until Redis has answered once, one failure will do.
	tripRow    = 5
	tripCalls  = 20
	tripRatio  = 0.5
	tripWindow = 10 * time.Second

	// openTime is how long no call is made; the next one then decides.
	openTime = time.Second
)

const (
	once   = 1 // tries of what must not happen twice
	repeat = 3 // tries of what may

	// A try that lost its connection is repeated after 0 to retryWait × tries so far.
	retryWait = 20 * time.Millisecond
)

// breaker stands before every call to Redis. Safe for concurrent use.
type breaker struct {
	circuit *gobreaker.CircuitBreaker[struct{}]
	timeout time.Duration // static: of a call, repeats included
	metrics *metrics
	log     *zap.Logger

	answered atomic.Bool           // Redis has answered at least once
	reason   atomic.Pointer[error] // of the latest failure
	opened   time.Time             // owned by changed, which the circuit calls under its lock
}

func newBreaker(timeout time.Duration, m *metrics, log *zap.Logger) *breaker {
	b := &breaker{timeout: timeout, metrics: m, log: log}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          dependency,
		MaxRequests:   1,
		Interval:      tripWindow,
		BucketPeriod:  tripWindow / 10,
		Timeout:       openTime,
		ReadyToTrip:   b.trips,
		OnStateChange: b.changed,
		IsSuccessful:  func(err error) bool { return !away(err) },
		IsExcluded:    func(err error) bool { return errors.As(err, new(abandoned)) },
	})
	return b
}

func (b *breaker) trips(n gobreaker.Counts) bool {
	return !b.answered.Load() || n.ConsecutiveFailures >= tripRow ||
		n.Requests >= tripCalls && float64(n.TotalFailures) >= tripRatio*float64(n.Requests)
}

// changed logs when Redis goes and comes, not every attempt in between.
func (b *breaker) changed(_ string, from, to gobreaker.State) {
	b.metrics.breaker.Changed(to)
	switch {
	case from == gobreaker.StateClosed:
		b.opened = time.Now()
		b.log.Warn("Redis is away: direct messages to absent users are refused and no session is resumed until it is back", zap.Error(b.cause()))
	case to == gobreaker.StateClosed:
		b.log.Info("Redis is back", zap.Duration("away", time.Since(b.opened)))
	}
}

// do makes a call, within the breaker's timeout. Where it may happen more than once, tries is
// above one. The error is ctx's own, wraps ErrUnavailable, or is a reply of Redis.
func (b *breaker) do(ctx context.Context, tries int, call func(context.Context) error) error {
	_, err := b.circuit.Execute(func() (struct{}, error) {
		err := b.attempt(ctx, tries, call)
		switch {
		case err == nil:
			b.answered.Store(true)
		case ctx.Err() != nil:
			err = abandoned{ctx.Err()}
		case away(err):
			if timedOut(err) {
				err = fmt.Errorf("no answer within %v: %w", b.timeout, err)
			}
			b.reason.Store(&err)
		}
		return struct{}{}, err
	})
	if err == nil {
		return nil
	}
	if gone := (abandoned{}); errors.As(err, &gone) {
		return gone.error
	}
	return b.explain(err)
}

func (b *breaker) attempt(ctx context.Context, tries int, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	for n := 1; ; n++ {
		err := call(ctx)
		if err == nil || n == tries || replied(err) || timedOut(err) {
			return err
		}
		select {
		case <-time.After(rand.N(retryWait * time.Duration(n))):
		case <-ctx.Done():
			return err
		}
	}
}

// explain counts a failed call and says what to make of it.
func (b *breaker) explain(err error) error {
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		b.metrics.refused.Inc()
		return fmt.Errorf("%w: %w: %w", ErrUnavailable, err, b.cause())
	case replied(err):
		b.metrics.reply.Inc()
	case timedOut(err):
		b.metrics.timeout.Inc()
	default:
		b.metrics.connection.Inc()
	}
	if redis.HasErrorPrefix(err, "MOVED ") {
		err = fmt.Errorf("%w: %w", errClusterNode, err)
	}
	if away(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("redis: %w", err)
}

func (b *breaker) cause() error {
	if err := b.reason.Load(); err != nil {
		return *err
	}
	return errors.New("no call was made yet")
}

// health is nil while the circuit is closed.
func (b *breaker) health() error {
	if s := b.circuit.State(); s != gobreaker.StateClosed {
		return fmt.Errorf("circuit breaker %s: %w", s, b.cause())
	}
	return nil
}
