package stream

import (
	"context"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// page is how many entries are asked for at a time.
const page = 1024

// Read implements history.Store. A replica that is behind answers with less than there is.
func (s *Store) Read(ctx context.Context, key string, from uint64, limit, bytes int) ([]history.Stored, error) {
	return s.read(ctx, key, jsstream.Query{Seq: max(from, 1)}, limit, bytes)
}

// ReadSince implements history.Store. The time of an entry is what the clock of the stream's leader was; another
// leader's may differ.
func (s *Store) ReadSince(ctx context.Context, key string, since time.Time, limit, bytes int) ([]history.Stored, error) {
	return s.read(ctx, key, jsstream.Query{Start: &since}, limit, bytes)
}

func (s *Store) read(ctx context.Context, key string, q jsstream.Query, limit, bytes int) ([]history.Stored, error) {
	p := s.partition(key)
	q.NextFor = p.subject(key)
	var entries []history.Stored
	err := s.call(ctx, "read", p, func(ctx context.Context) error {
		for limit > len(entries) {
			n := len(entries)
			left, err := s.page(ctx, p, q, limit, bytes, &entries)
			if err != nil {
				return err
			}
			for _, e := range entries[n:] {
				bytes -= len(e.Data)
			}
			if left == 0 || bytes <= 0 || len(entries) == n {
				break
			}
			q.Seq, q.Start = entries[len(entries)-1].Seq+1, nil
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// page appends the next entries.
func (s *Store) page(ctx context.Context, p *partition, q jsstream.Query, limit, bytes int, entries *[]history.Stored) (left uint64, err error) {
	n := len(*entries)
	q.Batch = min(limit-n, page)
	q.MaxBytes = max(bytes, 1)
	err = jsstream.Ask(ctx, func(ctx context.Context) (err error) {
		*entries = (*entries)[:n]
		left, err = jsstream.Batch(ctx, s.conn, p.stream, q, func(m jsstream.Message) {
			*entries = append(*entries, storedOf(m))
		})
		return err
	})
	return left, err
}

func storedOf(m jsstream.Message) history.Stored {
	return history.Stored{Seq: m.Seq, Time: m.Time, Data: m.Data}
}
