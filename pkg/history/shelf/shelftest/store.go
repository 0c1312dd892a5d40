// Package shelftest has a history.Store in memory, for tests.
package shelftest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
)

// Store is a history.Store whose keys share one count of sequence numbers.
type Store struct {
	Now   func() time.Time
	Write func(write func()) // has an entry written: later, or on another goroutine

	mu     sync.Mutex
	seq    uint64
	keys   map[string][]history.Stored
	away   bool
	stale  map[string]uint64 // by key: up to which entry the replica that answers reads has it
	wait   int               // after how many reads it has all again
	counts Counts
}

// Counts is how often a Store was asked.
type Counts struct{ Appends, Lasts, Reads, Trims int }

// New makes a Store that has nothing.
func New(now func() time.Time, write func(func())) *Store {
	return &Store{Now: now, Write: write, keys: make(map[string][]history.Stored)}
}

// SetAway has every call fail from now on, or succeed again.
func (s *Store) SetAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// Lag has the next reads answered by a replica that has nothing newer than now.
func (s *Store) Lag(reads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale, s.wait = make(map[string]uint64), reads
	for key, list := range s.keys {
		s.stale[key] = last(list)
	}
}

// Counts is how often the Store was asked since the last time.
func (s *Store) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	s.counts = Counts{}
	return c
}

// Put writes an entry as another owner would, and returns its sequence number.
func (s *Store) Put(key string, e *history.Entry) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(key, e.Encode())
}

func (s *Store) put(key string, data []byte) uint64 {
	s.seq++
	s.keys[key] = append(s.keys[key], history.Stored{Seq: s.seq, Time: s.Now(), Data: data})
	return s.seq
}

func last(list []history.Stored) uint64 {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1].Seq
}

// Append implements history.Store.
func (s *Store) Append(key string, after uint64, data []byte, done func(uint64, error)) {
	s.Write(func() { done(s.append(key, after, data)) })
}

func (s *Store) append(key string, after uint64, data []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Appends++
	switch {
	case s.away:
		return 0, history.ErrUnavailable
	case after != last(s.keys[key]):
		return 0, history.ErrConflict
	}
	return s.put(key, data), nil
}

// Last implements history.Store.
func (s *Store) Last(_ context.Context, keys []string) (map[string]history.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Lasts++
	if s.away {
		return nil, history.ErrUnavailable
	}
	found := make(map[string]history.Stored)
	for _, key := range keys {
		if list := s.keys[key]; len(list) > 0 {
			found[key] = list[len(list)-1]
		}
	}
	return found, nil
}

// Read implements history.Store.
func (s *Store) Read(_ context.Context, key string, from uint64, limit, bytes int) ([]history.Stored, error) {
	return s.read(key, limit, bytes, func(e history.Stored) bool { return e.Seq >= from })
}

// ReadSince implements history.Store.
func (s *Store) ReadSince(_ context.Context, key string, since time.Time, limit, bytes int) ([]history.Stored, error) {
	return s.read(key, limit, bytes, func(e history.Stored) bool { return !e.Time.Before(since) })
}

func (s *Store) read(key string, limit, bytes int, begins func(history.Stored) bool) ([]history.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Reads++
	if s.away {
		return nil, history.ErrUnavailable
	}
	lags := s.wait > 0
	if lags {
		s.wait--
	}
	var page []history.Stored
	size := 0
	for _, e := range s.keys[key] {
		if len(page) == limit || size >= bytes || lags && e.Seq > s.stale[key] {
			break
		}
		if len(page) > 0 || begins(e) {
			page = append(page, e)
			size += len(e.Data)
		}
	}
	return page, nil
}

// Trim implements history.Store.
func (s *Store) Trim(_ context.Context, key string, before uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Trims++
	if s.away {
		return history.ErrUnavailable
	}
	s.keys[key] = slices.DeleteFunc(s.keys[key], func(e history.Stored) bool { return e.Seq < before })
	return nil
}

// Expire removes what was written before a time.
func (s *Store) Expire(before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, list := range s.keys {
		s.keys[key] = slices.DeleteFunc(list, func(e history.Stored) bool { return e.Time.Before(before) })
	}
}
