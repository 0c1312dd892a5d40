package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Flush writes what waits of one session now: before a client is told to go to another gateway. An error
// wraps ErrUnavailable, in which case it waits on, or is ctx's own.
func (n *Sessions) Flush(ctx context.Context, user, id string) error {
	n.mu.Lock()
	_, waits := n.pending[sessionID{user, id}]
	n.mu.Unlock()
	if !waits {
		return nil
	}
	return n.flush(ctx, []sessionID{{user, id}})
}

// FlushAll writes what waits of all sessions now.
func (n *Sessions) FlushAll(ctx context.Context) error {
	n.mu.Lock()
	ids := slices.Collect(maps.Keys(n.pending))
	n.mu.Unlock()
	return n.flush(ctx, ids)
}

// flush writes what waits of some sessions, or until Redis is away.
func (n *Sessions) flush(ctx context.Context, ids []sessionID) (err error) {
	select {
	case n.turn <- struct{}{}:
		defer func() { <-n.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for len(ids) > 0 {
		var batch []sending
		batch, ids = n.batch(ids)
		again, e := n.write(ctx, batch)
		if len(again) > 0 && !errors.Is(e, ErrUnavailable) {
			_, twice := n.write(ctx, again)
			e = cmp.Or(twice, e)
		}
		if e != nil {
			err = fmt.Errorf("write sessions: %w", e)
		}
		if errors.Is(e, ErrUnavailable) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// sending is a note that is being written, and where it waits: what came after it may wait there by now.
type sending struct {
	waiting
	at *waiting
}

// batch is what waits of the first of ids, as much as one call may have, and the rest of them.
func (n *Sessions) batch(ids []sessionID) (batch []sending, rest []sessionID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	bytes := 0
	for i, id := range ids {
		for w := n.pending[id]; w != nil; w = w.next {
			batch = append(batch, sending{*w, w})
			if !w.touch {
				bytes += len(w.State)
			}
		}
		if len(batch) >= sessionBatch || bytes >= sessionChunk {
			return batch, ids[i+1:]
		}
	}
	return batch, nil
}

// write writes a batch; what Redis answered then waits no more. Those that it has to be told again, with their
// state, are returned. The caller has the turn.
func (n *Sessions) write(ctx context.Context, batch []sending) (again []sending, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	outcomes, err := n.call(ctx, batch)
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.store.metrics
	for i, sent := range batch {
		switch w := sent.at; outcomes[i] {
		case "": // it waits on
		case outcomeForeign:
			m.sessionsRefused.Inc()
			n.settle(sent)
		case outcomeLost:
			m.sessionsLost.Inc()
			n.losses = append(n.losses, loss{w.ID, w.Holder})
			n.remove(w)
		case outcomeGone:
			w.touch = false
			again = append(again, sending{*w, w})
		default:
			if sent.touch {
				m.sessionsTouched.Inc()
			} else {
				m.sessionsWritten.Inc()
			}
			n.settle(sent)
		}
	}
	if n.notes == 0 { // a map keeps the room that it once needed
		n.pending = make(map[sessionID]*waiting)
	}
	m.sessionsPending.Set(float64(n.notes))
	return again, err
}

// settle forgets a note that was written, unless another one has come to its place. mu is held.
func (n *Sessions) settle(sent sending) {
	if sent.at.n == sent.n {
		n.remove(sent.at)
	} else {
		sent.at.begun = time.Time{}
	}
}
