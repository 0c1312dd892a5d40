package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// health is what the latest calls say about JetStream.
type health struct {
	mu        sync.Mutex
	err       error      // guarded by mu; nil: the latest call worked
	partition *partition // guarded by mu: whose stream was away; nil: nothing was called yet
}

// Ready is nil when the latest call worked. While it is not, Run tries to reach what was away, every second.
func (s *Store) Ready() error {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.err
}

// note counts a call and remembers how it went. A refusal is an answer, too.
func (s *Store) note(p *partition, name string, err error) {
	if s.calls != nil {
		s.calls.WithLabelValues(name, outcome(err)).Inc()
	}
	away := errors.Is(err, history.ErrUnavailable)
	if err != nil && !away && !errors.Is(err, history.ErrConflict) && !errors.Is(err, history.ErrRefused) {
		return // the caller's
	}
	if errors.Is(err, errOverflow) || errors.Is(err, errStopped) {
		return // our own
	}
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	if s.health.err = nil; away {
		s.health.err, s.health.partition = err, p
	}
}

// probeEvery is the time between two attempts to reach what is away.
const probeEvery = time.Second

// probe makes Ready true again when nobody calls.
func (s *Store) probe(ctx context.Context) {
	for {
		s.health.mu.Lock()
		err, p := s.health.err, s.health.partition
		s.health.mu.Unlock()
		switch {
		case err == nil:
		case p == nil:
			bounded, cancel := context.WithTimeout(ctx, s.timeout)
			if _, err := s.js.AccountInfo(bounded); err == nil {
				s.note(nil, "probe", nil)
			}
			cancel()
		default:
			_ = s.call(ctx, "probe", p, func(ctx context.Context) error { // note tells
				_, _, err := jsstream.Latest(ctx, s.conn, p.stream, p.prefix+"none")
				return err
			})
		}
		if jsstream.Wait(ctx, probeEvery) != nil {
			return
		}
	}
}
