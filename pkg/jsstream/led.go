package jsstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// silence is for how long a replica may not have been heard: its leader hears of it every second.
const silence = 4 * time.Second

// Led is nil when a stream has a leader that hears of most replicas, so that what is written can be stored, and also when
// there is no such stream, and somebody who knows.
func Led(ctx context.Context, js jetstream.JetStream, stream string) error {
	s, err := js.Stream(ctx, stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("ask for the leader of %s: %w", stream, err)
	}
	c := s.CachedInfo().Cluster
	switch {
	case c == nil || c.Leader != "" && len(c.Replicas) == 0:
		return nil
	case c.Leader == "":
		return fmt.Errorf("stream %s has no leader", stream)
	}
	heard := 1
	for _, r := range c.Replicas {
		if !r.Offline && r.Active < silence {
			heard++
		}
	}
	if n := len(c.Replicas) + 1; heard <= n/2 {
		return fmt.Errorf("stream %s: its leader hears of %d of %d replicas", stream, heard, n)
	}
	return nil
}
