package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Take makes holder the holder of a session of user. It returns the newest state that was written, or waits here,
// and in Holder who held it until then: empty when that connection has ended, and otherwise it may have a newer state. From
// now on what the former holder notes is lost. Of several that take a session at once, each gets the one before it.
//
// ErrNoSession says that there is none. Other errors wrap ErrUnavailable when Redis is away, in which case
// the session may have been taken nevertheless, or are ctx's own.
func (n *Sessions) Take(ctx context.Context, id, user, holder string) (Session, error) {
	t := &taking{id: sessionID{user, id}, holder: holder, done: make(chan struct{})}
	if !t.id.valid() {
		return Session{}, ErrNoSession
	}
	n.mu.Lock()
	n.takes = append(n.takes, t)
	n.mu.Unlock()
	for {
		select {
		case <-t.done:
			return t.session, t.err
		case n.takeTurn <- struct{}{}:
			n.takeSome(context.WithoutCancel(ctx), t)
			<-n.takeTurn
		case <-ctx.Done():
			n.withdraw(t)
			return Session{}, fmt.Errorf("take session: %w", ctx.Err())
		}
	}
}

// taking is a Take under way. Those that come while others are being taken go together, in one call: when all clients of
// a gateway that died come at once, a call for each would have to wait for a connection for longer than a call may take.
type taking struct {
	id      sessionID     // static
	holder  string        // static
	done    chan struct{} // closed when what follows is set
	reply   *redis.Cmd    // owned by who has takeTurn
	session Session
	err     error
}

// withdraw forgets a taking that is not under way yet.
func (n *Sessions) withdraw(t *taking) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.Index(n.takes, t); i >= 0 {
		n.takes = slices.Delete(n.takes, i, i+1)
	}
}

// takeSome takes the first ones of the sessions that wait for that, unless t is done. The caller has takeTurn.
func (n *Sessions) takeSome(ctx context.Context, t *taking) {
	select {
	case <-t.done:
		return
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, takePatience*n.store.breaker.timeout)
	defer cancel()
	n.mu.Lock()
	count := min(len(n.takes), takeBatch)
	batch := slices.Clone(n.takes[:count])
	n.takes = slices.Delete(n.takes, 0, count)
	var waits []sessionID
	for _, t := range batch {
		if _, ok := n.pending[t.id]; ok {
			waits = append(waits, t.id)
		}
	}
	n.mu.Unlock()
	var err error
	if len(waits) > 0 {
		err = n.flush(ctx, waits)
	}
	if err == nil && n.memory == nil {
		err = n.callTakes(ctx, batch)
	}
	for _, t := range batch {
		if n.memory != nil {
			t.session, t.err = n.takeHere(t)
		} else {
			t.session, t.err = n.taken(t, err)
		}
		close(t.done)
	}
}

// takeHere takes a session that is in the embedded store.
func (n *Sessions) takeHere(t *taking) (Session, error) {
	former, state, ok := n.memory.take(t.id, t.holder, n.live(), time.Now())
	if !ok {
		n.store.metrics.sessionsMissed.Inc()
		return Session{}, ErrNoSession
	}
	return n.won(t, former, state), nil
}

func (n *Sessions) won(t *taking, former, state string) Session {
	n.store.metrics.sessionsTaken.Inc()
	return Session{ID: t.id.id, User: t.id.user, Holder: former, State: []byte(state)}
}

// takeBatch is how many sessions one call takes: all of them are lost to their clients when Redis answers too late.
const takeBatch = 100

// takePatience bounds what one call has to wait for, in timeouts of a call: the notes of sessions are written before.
const takePatience = 2

// callTakes asks Redis, in one pipeline.
func (n *Sessions) callTakes(ctx context.Context, batch []*taking) error {
	return n.store.breaker.do(ctx, once, func(ctx context.Context) error {
		n.sendTakes(ctx, batch, takeScript.EvalSha)
		// As with notes.
		var unknown []*taking
		for _, t := range batch {
			if redis.HasErrorPrefix(t.reply.Err(), "NOSCRIPT") {
				unknown = append(unknown, t)
			}
		}
		if len(unknown) > 0 {
			n.sendTakes(ctx, unknown, takeScript.Eval)
		}
		replies := make([]redis.Cmder, len(batch))
		for i, t := range batch {
			replies[i] = t.reply
		}
		return worst(replies)
	})
}

func (n *Sessions) sendTakes(ctx context.Context, batch []*taking,
	eval func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd) {
	_, _ = n.store.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, t := range batch {
			t.reply = eval(ctx, p, []string{sessionKey(t.id.user, t.id.id)}, t.holder, n.live().Milliseconds())
		}
		return nil
	})
}

// taken is the outcome of one of them; failed is the error of the call, or of what came before it.
func (n *Sessions) taken(t *taking, failed error) (Session, error) {
	if t.reply == nil {
		return Session{}, fmt.Errorf("take session: %w", unavailable(failed))
	}
	reply, err := t.reply.Slice()
	switch {
	case errors.Is(err, redis.Nil):
		n.store.metrics.sessionsMissed.Inc()
		return Session{}, ErrNoSession
	case err != nil && away(err):
		return Session{}, fmt.Errorf("take session: %w", unavailable(failed))
	case err != nil:
		return Session{}, fmt.Errorf("take session: redis: %w", err)
	}
	former, state, err := two[string, string](reply)
	if err != nil {
		return Session{}, err
	}
	return n.won(t, former, state), nil
}

// unavailable makes err, which is that of a call for many, ErrUnavailable to each of them.
func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
