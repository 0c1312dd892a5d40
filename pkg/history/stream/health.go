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
	mu    sync.Mutex
	heard bool              // guarded by mu: a call has worked
	away  [partitions]error // guarded by mu: why a stream can be written no more, nil while it can
}

// Ready is nil while no call has found a stream away, or Run has found it again since: it tries every second. That a replica answers
// for a stream whose leader is lost, or its majority, does not make it ready.
func (s *Store) Ready() error {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	for _, err := range s.health.away {
		if err != nil {
			return err
		}
	}
	if !s.health.heard {
		return errUnheard
	}
	return nil
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
	switch {
	case away:
		s.health.away[p.index] = err
	case name == "append":
		s.health.heard, s.health.away[p.index] = true, nil
	default:
		s.health.heard = true
	}
}

// probeEvery is the time between two attempts to reach what is away.
const probeEvery = time.Second

// probe makes Ready true again when nobody calls.
func (s *Store) probe(ctx context.Context) {
	for {
		s.health.mu.Lock()
		heard, away := s.health.heard, s.health.away
		s.health.mu.Unlock()
		if !heard {
			s.ask(ctx)
		}
		for i, err := range away {
			if err != nil {
				s.seek(ctx, s.partitions[i])
			}
		}
		if jsstream.Wait(ctx, probeEvery) != nil {
			return
		}
	}
}

// ask asks whether there is a JetStream.
func (s *Store) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if _, err := s.js.AccountInfo(ctx); err == nil {
		s.health.mu.Lock()
		defer s.health.mu.Unlock()
		s.health.heard = true
	}
}

// seek asks whether a stream can be written.
func (s *Store) seek(ctx context.Context, p *partition) {
	bounded, cancel := context.WithTimeout(ctx, probeEvery)
	defer cancel()
	err := jsstream.Led(bounded, s.js, p.stream)
	if s.calls != nil {
		s.calls.WithLabelValues("probe", outcome(sorted(ctx, err))).Inc()
	}
	if err == nil {
		s.health.mu.Lock()
		defer s.health.mu.Unlock()
		s.health.heard, s.health.away[p.index] = true, nil
	}
}
