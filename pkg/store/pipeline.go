package store

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// pipeline makes one call of the commands that add gives it, which may be of any keys: in a cluster
// they go to all nodes concerned at once. They must not mind to be repeated. Each reply has an error
// of its own; the one returned is do's, of the worst of them. There are no replies when no call was made.
func (s *Store) pipeline(ctx context.Context, add func(redis.Pipeliner)) (replies []redis.Cmder, err error) {
	err = s.breaker.do(ctx, repeat, func(ctx context.Context) error {
		// What it returns itself is the first reply's error, in no case another one.
		replies, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			add(p)
			return nil
		})
		return worst(replies)
	})
	return replies, err
}

// worst is an error of Redis, if there is one among the replies, or else one of a single key. That a key
// does not exist is none.
func worst(replies []redis.Cmder) (err error) {
	for _, r := range replies {
		switch e := r.Err(); {
		case e == nil, errors.Is(e, redis.Nil):
		case away(e):
			return e
		default:
			err = e
		}
	}
	return err
}
