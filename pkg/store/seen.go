package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
)

const (
	seenEvery = 250 * time.Millisecond // Run writes so often
	seenLast  = time.Second            // what the last writing may take
	seenBatch = 500                    // users of one call
	seenMost  = 1 << 18                // users that may wait to be written
)

// Seen is when each user was last seen. It is safe for concurrent use, also by several processes:
// a time in Redis is only ever replaced by a later one.
//
// A user's time is the score of the one member of a sorted set, because ZADD GT is the cheapest
// command that moves forward only. A user is not empty. A Store has at most one Seen.
type Seen struct {
	store *Store        // static
	ttl   time.Duration // static: after the last note, in milliseconds
	most  int           // static: seenMost

	mu      sync.Mutex
	pending map[string]int64 // guarded by mu: what is not written yet, Unix milliseconds by user
}

// NewSeen returns the times in s, each of which is forgotten ttl after it was written.
func NewSeen(s *Store, ttl time.Duration) *Seen {
	return &Seen{store: s, ttl: ttl, most: seenMost, pending: make(map[string]int64)}
}

// Note remembers that user was seen at a time, Unix milliseconds, until Run has written it. An earlier
// time than one that waits changes nothing. It does no I/O. While as many users wait as may, which
// takes a Redis that is away, a note of a further one is dropped and counted.
func (n *Seen) Note(user string, at int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, waits := n.pending[user]
	switch {
	case waits && at <= before:
	case !waits && len(n.pending) >= n.most:
		n.store.metrics.seenFull.Inc()
	default:
		n.pending[user] = at
		n.store.metrics.seenPending.Set(float64(len(n.pending)))
	}
}

// Here is Note of a user who is still here, and will be noted when it is not: should this process end without it. An embedded
// store ends with the process, and does not remember it.
func (n *Seen) Here(user string, at int64) {
	if n.store.embedded == nil {
		n.Note(user, at)
	}
}

// Run writes what was noted, in batches. When ctx is done it writes what is left, within a second,
// drops and counts what it could not, and returns nil. The Store has to run as long.
func (n *Seen) Run(ctx context.Context) error {
	tick := time.NewTicker(seenEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), seenLast)
			defer cancel()
			n.flush(last)
			n.giveUp()
			return nil
		}
	}
}

// flush writes as much as waits when it begins, or until Redis is away.
func (n *Seen) flush(ctx context.Context) {
	n.mu.Lock()
	left := len(n.pending)
	n.mu.Unlock()
	for ; left > 0; left -= seenBatch {
		if n.store.breaker.circuit.State() == gobreaker.StateOpen {
			return // no call would be made, only counted as refused
		}
		if err := n.write(ctx, n.batch()); errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			return
		}
	}
}

type note struct {
	user string
	at   int64
}

// batch is some of what waits.
func (n *Seen) batch() []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	batch := make([]note, 0, min(len(n.pending), seenBatch))
	for user, at := range n.pending {
		if len(batch) == cap(batch) {
			break
		}
		batch = append(batch, note{user, at})
	}
	return batch
}

// write writes a batch; what Redis answered then waits no more. A process that ends between the two
// commands of a user leaves a time that is not forgotten until the user is seen again.
func (n *Seen) write(ctx context.Context, batch []note) error {
	if e := n.store.embedded; e != nil {
		e.memory.see(batch, n.ttl, time.Now())
		n.mu.Lock()
		defer n.mu.Unlock()
		n.store.metrics.seenWritten.Add(float64(len(batch)))
		n.settle(batch)
		return nil
	}
	replies, err := n.store.pipeline(ctx, func(p redis.Pipeliner) {
		for _, b := range batch {
			key := seenKey(b.user)
			p.ZAddArgs(ctx, key, redis.ZAddArgs{GT: true, Members: []redis.Z{{Score: float64(b.at), Member: seenMember}}})
			p.PExpire(ctx, key, n.ttl)
		}
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	settled := batch[:0]
	for i := range len(replies) / 2 {
		switch err := worst(replies[2*i : 2*i+2]); {
		case err == nil:
			n.store.metrics.seenWritten.Inc()
		case away(err):
			continue
		default: // a key of another kind: it would be refused for ever
			n.store.metrics.seenRefused.Inc()
		}
		settled = append(settled, batch[i])
	}
	n.settle(settled)
	return err
}

// settle forgets what was written, unless a later time waits. mu is held.
func (n *Seen) settle(written []note) {
	for _, b := range written {
		if n.pending[b.user] == b.at {
			delete(n.pending, b.user)
		}
	}
	if len(n.pending) == 0 { // a map keeps the room that it once needed
		n.pending = make(map[string]int64)
	}
	n.store.metrics.seenPending.Set(float64(len(n.pending)))
}

// giveUp drops what waits, at the end.
func (n *Seen) giveUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pending) == 0 {
		return
	}
	n.store.breaker.log.Warn("when users were last seen could not be written and is lost", zap.Int("users", len(n.pending)))
	n.store.metrics.seenStopped.Add(float64(len(n.pending)))
	n.store.metrics.seenPending.Set(0)
	n.pending = make(map[string]int64)
}

// Read returns when users were last seen, Unix milliseconds, what waits to be written included;
// a user without a time is not in it. With an error, which wraps ErrUnavailable when Redis is away or
// is ctx's own, it holds what is known nevertheless. It makes one call, so users are some hundred at most.
func (n *Seen) Read(ctx context.Context, users []string) (map[string]int64, error) {
	seen := make(map[string]int64, len(users))
	if len(users) == 0 {
		return seen, nil
	}
	// Before Redis is asked: what is written in between is then in both.
	n.mu.Lock()
	for _, user := range users {
		if at, ok := n.pending[user]; ok {
			seen[user] = at
		}
	}
	n.mu.Unlock()
	if e := n.store.embedded; e != nil {
		for _, user := range users {
			if at, ok := e.memory.lastSeen(user, time.Now()); ok {
				seen[user] = max(seen[user], at)
			}
		}
		return seen, nil
	}
	replies, err := n.store.pipeline(ctx, func(p redis.Pipeliner) {
		for _, user := range users {
			p.ZScore(ctx, seenKey(user), seenMember)
		}
	})
	for i, reply := range replies {
		if score, err := reply.(*redis.FloatCmd).Result(); err == nil {
			seen[users[i]] = max(seen[users[i]], int64(score))
		}
	}
	if err != nil {
		return seen, fmt.Errorf("read last seen: %w", err)
	}
	return seen, nil
}
