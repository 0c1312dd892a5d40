package durable

import (
	"context"
	"errors"
)

// Delete removes a room at a revision, with its members. Its errors are ErrConflict and ErrUnavailable;
// of a room that does not exist it removes what an interrupted Delete left, and succeeds.
func (r *Rooms) Delete(ctx context.Context, room string, revision uint64) error {
	if err := checkRoom(room); err != nil {
		return err
	}
	return r.call(ctx, "delete", func(ctx context.Context) error {
		prefix := roomSubject(room)
		seq, err := r.deleteHead(ctx, prefix, revision)
		if err != nil {
			return err
		}
		// Nothing that was written under the head can come later, and what another creation writes
		// comes behind it.
		return r.purge(ctx, prefix, seq)
	})
}

// deleteHead removes the head, and returns the sequence before which all is of the past.
func (r *Rooms) deleteHead(ctx context.Context, prefix string, revision uint64) (uint64, error) {
	at := prefix + headTail
	if revision > 0 {
		seq, _, err := r.setHead(ctx, prefix, revision, func() (uint64, error) { return r.remove(ctx, at, at, revision) })
		if !errors.Is(err, ErrConflict) {
			return seq, err
		}
	}
	last, err := r.latest(ctx, prefix+">") // before the head, because a creation writes behind its own
	if err != nil {
		return 0, err
	}
	now, err := r.state(ctx, prefix)
	switch {
	case err != nil:
		return 0, err
	case now.State != "":
		return 0, ErrConflict
	case now.seq > 0:
		return now.seq, nil // the marker stays until it vanishes
	default:
		return last.seq + 1, nil
	}
}
