package jsstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// attemptTimeout bounds one request of what may be repeated. A server that has just lost the lead, or is
// being given the stream, does not answer.
const attemptTimeout = 400 * time.Millisecond

// Attempt does again what was not done in time, until ctx ends.
func Attempt(ctx context.Context, do func(context.Context) error) error {
	for {
		bounded, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := do(bounded)
		late := bounded.Err() != nil
		cancel()
		if err == nil || !late || ctx.Err() != nil {
			return err
		}
	}
}

// Wait lets some time go by.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// pauses are those between requests that nobody answers for: a leader is being elected, the stream has just
// been made, or the connection has just been lost.
var pauses = []time.Duration{20 * time.Millisecond, 80 * time.Millisecond, 200 * time.Millisecond}

// Ask is Attempt of a request that only reads: it is made a few times again when nobody is there for it.
func Ask(ctx context.Context, do func(context.Context) error) error {
	for tries := 0; ; tries++ {
		err := Attempt(ctx, do)
		if tries == len(pauses) || !unanswered(err) || Wait(ctx, pauses[tries]) != nil {
			return err
		}
	}
}

func unanswered(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, errLost) ||
		HasCode(err, CodeNotAvailable, CodeNotLeader)
}
