package stream

import (
	"context"
	"maps"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// How much is asked for in one request: what the server reads at one moment, and less than NATS carries.
const (
	lastKeys  = 1000
	lastBytes = 256 << 10
)

// Last implements history.Store. One key is asked of its stream's leader: what was acknowledged before is seen,
// unless that leader was deposed and has not heard of it yet. Several keys are asked of any replicas, with one request for each
// stream, and may come as they were a moment ago.
func (s *Store) Last(ctx context.Context, keys []string) (map[string]history.Stored, error) {
	if len(keys) == 1 {
		return s.lastOf(ctx, keys[0])
	}
	var of [partitions][]string
	for _, key := range keys {
		i := partitionOf(key)
		of[i] = append(of[i], key)
	}
	var mu sync.Mutex
	result := make(map[string]history.Stored, len(keys)) // guarded by mu
	group, bounded := errgroup.WithContext(ctx)
	group.SetLimit(partitions)
	for i, keys := range of {
		for len(keys) > 0 {
			var some map[string]string
			some, keys = s.partitions[i].cut(keys)
			group.Go(func() error {
				found, err := s.lastOfMany(bounded, s.partitions[i], some)
				mu.Lock()
				defer mu.Unlock()
				maps.Copy(result, found)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return result, nil
}

// cut takes as many keys as one request has room for, by their subjects.
func (p *partition) cut(keys []string) (some map[string]string, rest []string) {
	some = make(map[string]string)
	size := 0
	for len(keys) > 0 && len(some) < lastKeys && size < lastBytes {
		at := p.subject(keys[0])
		some[at] = keys[0]
		size += len(at)
		keys = keys[1:]
	}
	return some, keys
}

func (s *Store) lastOf(ctx context.Context, key string) (map[string]history.Stored, error) {
	p := s.partition(key)
	result := make(map[string]history.Stored)
	err := s.call(ctx, "last", p, func(ctx context.Context) error {
		m, found, err := jsstream.Latest(ctx, s.conn, p.stream, p.subject(key))
		if found {
			result[key] = storedOf(m)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

func (s *Store) lastOfMany(ctx context.Context, p *partition, keys map[string]string) (map[string]history.Stored, error) {
	q := jsstream.Query{Batch: len(keys)}
	for at := range keys {
		q.Last = append(q.Last, at)
	}
	result := make(map[string]history.Stored, len(keys))
	err := s.call(ctx, "last", p, func(ctx context.Context) error {
		for {
			var left uint64
			var last uint64
			err := jsstream.Ask(ctx, func(ctx context.Context) (err error) {
				left, err = jsstream.Batch(ctx, s.conn, p.stream, q, func(m jsstream.Message) {
					result[keys[m.Subject]] = storedOf(m)
					last = m.Seq
				})
				return err
			})
			if err != nil || left == 0 {
				return err
			}
			q.Seq = last + 1 // the server sends no more than some MB at a time, in the order of their numbers
		}
	})
	return result, err
}
