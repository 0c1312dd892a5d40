//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// errIncomplete says that something that was waited for did not come.
var errIncomplete = errors.New("not complete")

// pollUntil polls until done.
func pollUntil(ctx context.Context, sw *swarm.Swarm, patience time.Duration, done func() bool) error {
	for end := time.Now().Add(patience); !done(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w after %v", errIncomplete, patience)
		}
		if _, err := sw.Poll(100 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// pollFor polls for some time.
func pollFor(sw *swarm.Swarm, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if _, err := sw.Poll(time.Until(end)); err != nil {
			return err
		}
	}
	return nil
}

// pace calls send total times, rate times a second, and polls between.
func pace(ctx context.Context, sw *swarm.Swarm, rate, total int, send func(k int) error) error {
	begin := time.Now()
	for k := range total {
		if err := pollFor(sw, time.Until(begin.Add(time.Duration(k)*time.Second/time.Duration(rate)))); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := send(k); err != nil {
			return err
		}
	}
	return nil
}
