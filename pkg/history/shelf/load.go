package shelf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
)

const (
	// readTime bounds the reading of a log's tail, or of one page.
	readTime = 2 * time.Second
	// readMost and readBytes bound one call to the store.
	readMost  = 1000
	readBytes = 1 << 20
	// clockMargin is how far the clocks of owners and store may be apart.
	clockMargin = 10 * time.Second
	// lagPause is between two looks at a replica that is behind, lagTries how many there are.
	lagPause = 20 * time.Millisecond
	lagTries = 10
)

// errBehind says that the replicas asked do not have yet what the leader has.
var errBehind = fmt.Errorf("%w: a replica is behind", history.ErrUnavailable)

// Load implements history.Shell.
func (s *shell) Load(l *history.Log, after uint64, fresh bool) {
	store, since := s.volume(l).store, s.lane.Now().Add(-s.cfg.Window-clockMargin)
	var tail history.Tail
	s.cfg.Metrics.loads.Inc()
	s.cfg.Crew.Work(s.lane, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, readTime)
		defer cancel()
		tail, err = readTail(ctx, store, l.Key, after, fresh, since)
		return away(ctx, err)
	}, func(err error) {
		defer (*Shelf)(s).guard(l.Key)
		l.Loaded(tail, err, s.lane.Now())
	})
}

// away makes the end of a call's time a matter of the store.
func away(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, history.ErrUnavailable) {
		return fmt.Errorf("%w: %w", history.ErrUnavailable, err)
	}
	return err
}

// readTail reads the tail of a key's chain: see history.Shell.
func readTail(ctx context.Context, store history.Store, key string, after uint64, fresh bool, since time.Time) (t history.Tail, err error) {
	newest, err := store.Last(ctx, []string{key})
	if err != nil {
		return t, err
	}
	last, ok := newest[key]
	if !ok {
		return t, nil
	}
	t.Last = last.Seq
	if !fresh && last.Seq <= after {
		return t, nil
	}
	if fresh && last.Time.Before(since) {
		t.Entries = []history.Stored{last}
		return t, nil
	}
	for tries := 0; ; {
		var page []history.Stored
		if n := len(t.Entries); n > 0 || !fresh {
			page, err = store.Read(ctx, key, max(after, lastSeq(t.Entries))+1, readMost, readBytes)
		} else {
			page, err = store.ReadSince(ctx, key, since, readMost, readBytes)
		}
		if err != nil {
			return t, err
		}
		t.Entries = append(t.Entries, page...)
		if got := lastSeq(t.Entries); got >= last.Seq {
			t.Last = got
			return t, nil
		}
		if len(page) > 0 {
			continue
		}
		if err := lag(ctx, &tries); err != nil {
			return t, err
		}
	}
}

// lag waits for a replica that is behind, but not for ever.
func lag(ctx context.Context, tries *int) error {
	if *tries++; *tries > lagTries {
		return errBehind
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(lagPause):
		return nil
	}
}

func lastSeq(entries []history.Stored) uint64 {
	if len(entries) == 0 {
		return 0
	}
	return entries[len(entries)-1].Seq
}
