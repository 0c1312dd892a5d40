package store

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// emptyTime is for how long a queue outlives its last entry; remove.lua says why.
const emptyTime = time.Minute

// Limits bound the queue of each user. All are above zero.
type Limits struct {
	MaxCount int           // messages
	MaxBytes int           // of payloads, senders and IDs together; a larger message never fits
	TTL      time.Duration // a message that waited longer is dropped; by Redis's clock, in milliseconds
}

// Queue holds the direct messages that wait for absent users, oldest first for each. A full
// queue refuses what is new: what was acknowledged is kept, and in order. It is safe for concurrent
// use, also by several processes.
//
// Each user has a stream and an index of it in Redis; each method is one script, so it happens
// whole or not at all. A user is not empty. Errors wrap ErrUnavailable when Redis is away; ctx's own error is
// returned when ctx is done first.
type Queue struct {
	store  *Store
	limits Limits
}

// NewQueue returns the queues in s.
func NewQueue(s *Store, l Limits) *Queue { return &Queue{s, l} }

// Append puts m at the end of user's queue, or returns ErrQueueFull. While a message with the same
// From and ID is in the queue, m is taken for a repeat of it and dropped: after ErrUnavailable it is safe to try
// again.
func (q *Queue) Append(ctx context.Context, user string, m Message) error {
	if e := q.store.embedded; e != nil {
		e.memory.queue(user)
	}
	var reply []any
	err := q.store.breaker.do(ctx, once, func(ctx context.Context) (err error) {
		reply, err = appendScript.Run(ctx, q.store.client, queueKeys(user),
			q.limits.TTL.Milliseconds(), q.limits.MaxCount, q.limits.MaxBytes,
			m.From, m.ID, m.SentAt, m.Payload, m.Metadata).Slice()
		return err
	})
	if err != nil {
		return fmt.Errorf("append to queue: %w", err)
	}
	outcome, expired, err := two[string, int64](reply)
	if err != nil {
		return err
	}
	metrics := q.store.metrics
	metrics.expired.Add(float64(expired))
	switch outcome {
	case "appended":
		metrics.appended.Inc()
	case "repeated":
		metrics.repeated.Inc()
	case "count":
		metrics.fullCount.Inc()
		return ErrQueueFull
	case "bytes":
		metrics.fullBytes.Inc()
		return ErrQueueFull
	}
	return nil
}

// Read returns up to limit entries of user's queue that come after the position after, or the first
// ones where it is empty. It returns none only when there are no more. Entries stay until Remove.
func (q *Queue) Read(ctx context.Context, user, after string, limit int) ([]Entry, error) {
	for {
		replies, err := q.read(ctx, user, after, limit)
		if err != nil || len(replies) == 0 {
			return nil, err
		}
		entries := make([]Entry, 0, len(replies))
		for _, reply := range replies {
			e, err := decode(reply)
			if after = e.Position; err == nil {
				entries = append(entries, e)
			} else {
				// Not ours, and it must not hold up what is: it stays until it expires.
				q.store.metrics.reply.Inc()
			}
		}
		if len(entries) > 0 {
			return entries, nil
		}
		if after == "" {
			return nil, fmt.Errorf("read queue: %w", errEntry)
		}
	}
}

func (q *Queue) read(ctx context.Context, user, after string, limit int) ([]any, error) {
	from := "-"
	if after != "" {
		from = "(" + after
	}
	var reply []any
	err := q.store.breaker.do(ctx, repeat, func(ctx context.Context) (err error) {
		reply, err = readScript.Run(ctx, q.store.client, queueKeys(user),
			q.limits.TTL.Milliseconds(), from, max(limit, 1)).Slice()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	expired, entries, err := two[int64, []any](reply)
	q.store.metrics.expired.Add(float64(expired))
	return entries, err
}

// Waiting returns those of users for whom something waits, or has waited a moment ago: one call for
// some hundred users, much cheaper than Read for each.
func (q *Queue) Waiting(ctx context.Context, users []string) (map[string]bool, error) {
	var times []uint64
	if e := q.store.embedded; e != nil { // whose Redis costs more than anything else when a user comes
		var some []string
		for _, user := range users {
			if n := e.memory.mayWait(user); n > 0 {
				some, times = append(some, user), append(times, n)
			}
		}
		if users = some; len(some) == 0 {
			return nil, nil
		}
	}
	replies, err := q.store.pipeline(ctx, func(p redis.Pipeliner) {
		for _, user := range users {
			p.Exists(ctx, queueKeys(user)[0])
		}
	})
	if err != nil {
		return nil, fmt.Errorf("look for queues: %w", err)
	}
	waiting := make(map[string]bool)
	for i, r := range replies {
		if n, _ := r.(*redis.IntCmd).Result(); n > 0 {
			waiting[users[i]] = true
		} else if times != nil {
			q.store.embedded.memory.nothingWaits(users[i], times[i])
		}
	}
	return waiting, nil
}

// Remove takes the entries at positions out of user's queue. Those that are gone already are no error.
func (q *Queue) Remove(ctx context.Context, user string, positions ...string) error {
	args := make([]any, 1, 1+len(positions))
	args[0] = min(emptyTime, q.limits.TTL).Milliseconds()
	for _, p := range positions {
		args = append(args, p)
	}
	var removed int64
	err := q.store.breaker.do(ctx, once, func(ctx context.Context) (err error) {
		removed, err = removeScript.Run(ctx, q.store.client, queueKeys(user), args...).Int64()
		return err
	})
	if err != nil {
		return fmt.Errorf("remove from queue: %w", err)
	}
	q.store.metrics.removed.Add(float64(removed))
	return nil
}

// Len is how many messages wait for user.
func (q *Queue) Len(ctx context.Context, user string) (int, error) {
	var reply []any
	err := q.store.breaker.do(ctx, repeat, func(ctx context.Context) (err error) {
		reply, err = lenScript.Run(ctx, q.store.client, queueKeys(user), q.limits.TTL.Milliseconds()).Slice()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("length of queue: %w", err)
	}
	expired, count, err := two[int64, int64](reply)
	q.store.metrics.expired.Add(float64(expired))
	return int(count), err
}
