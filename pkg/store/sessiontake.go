package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Take makes holder the holder of a session of user. It returns the newest state that was written, or waits here,
// and in Holder who held it until then: empty when that connection has ended, and otherwise it may have a newer state. From
// now on what the former holder notes is lost. Of several that take a session at once, each gets the one before it.
//
// ErrNoSession says that there is none. Other errors wrap ErrUnavailable when Redis is away, in which case
// the session may have been taken nevertheless, or are ctx's own.
func (n *Sessions) Take(ctx context.Context, id, user, holder string) (Session, error) {
	if !(sessionID{user, id}).valid() {
		return Session{}, ErrNoSession
	}
	if err := n.Flush(ctx, user, id); err != nil {
		return Session{}, fmt.Errorf("take session: %w", err)
	}
	var reply []any
	err := n.store.breaker.do(ctx, once, func(ctx context.Context) (err error) {
		reply, err = takeScript.Run(ctx, n.store.client, []string{sessionKey(user, id)}, holder, n.live().Milliseconds()).Slice()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("take session: %w", err)
	}
	if reply == nil {
		n.store.metrics.sessionsMissed.Inc()
		return Session{}, ErrNoSession
	}
	former, state, err := two[string, string](reply)
	if err != nil {
		return Session{}, err
	}
	n.store.metrics.sessionsTaken.Inc()
	return Session{ID: id, User: user, Holder: former, State: []byte(state)}, nil
}
