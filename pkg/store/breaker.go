package store

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/circuit"
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
	circuit *circuit.Breaker
	timeout time.Duration // static: of a call, repeats included
	metrics *metrics
	log     *zap.Logger
}

func newBreaker(timeout time.Duration, m *metrics, log *zap.Logger) *breaker {
	b := &breaker{timeout: timeout, metrics: m, log: log}
	b.circuit = circuit.NewBreaker(circuit.Config{
		Dependency: dependency,
		Window:     tripWindow,
		Open:       openTime,
		Trips:      trips,
		Eager:      true,
		Away:       away,
		Explain:    b.late,
		Metrics:    m.breaker,
		Log:        log,
		Lost: "Redis is away: direct messages to absent users are refused, no session is resumed, no token is refreshed " +
			"or revoked until it is back",
		Back: "Redis is back",
	})
	return b
}

func trips(n gobreaker.Counts) bool {
	return n.ConsecutiveFailures >= tripRow ||
		n.Requests >= tripCalls && float64(n.TotalFailures) >= tripRatio*float64(n.Requests)
}

// late says what time was over.
func (b *breaker) late(err error) error {
	if timedOut(err) {
		return fmt.Errorf("no answer within %v: %w", b.timeout, err)
	}
	return err
}

// do makes a call, within the breaker's timeout. Where it may happen more than once, tries is
// above one. The error is ctx's own, wraps ErrUnavailable, or is a reply of Redis.
func (b *breaker) do(ctx context.Context, tries int, call func(context.Context) error) error {
	err := b.circuit.Do(ctx, func() error {
		within, cancel := context.WithTimeout(ctx, b.timeout)
		defer cancel()
		again := func(err error) bool { return !replied(err) && !timedOut(err) }
		return circuit.Retry(within, tries, retryWait, again, func() error { return call(within) })
	})
	if err == nil || circuit.Abandoned(err) {
		return err
	}
	return b.explain(err)
}

// explain counts a failed call and says what to make of it.
func (b *breaker) explain(err error) error {
	switch {
	case circuit.Refused(err):
		b.metrics.refused.Inc()
		return fmt.Errorf("%w: %w: %w", ErrUnavailable, err, b.circuit.Cause())
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

// health is nil while the circuit is closed.
func (b *breaker) health() error { return b.circuit.Health() }
