package loadtest_test

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errTooFew = errors.New("too few")

// until waits for check to be content, for 20 s at most.
func until(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
