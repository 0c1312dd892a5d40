package stream

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// Trim implements history.Store. The server looks through all that it stored, of any key of the stream, between the
// key's oldest entry and before: it is not for every write.
func (s *Store) Trim(ctx context.Context, key string, before uint64) error {
	if before <= 1 {
		return nil
	}
	p := s.partition(key)
	return s.call(ctx, "trim", p, func(ctx context.Context) error {
		return jsstream.Ask(ctx, func(ctx context.Context) error {
			return p.opener.Stream().Purge(ctx, jetstream.WithPurgeSubject(p.subject(key)), jetstream.WithPurgeSequence(before))
		})
	})
}
