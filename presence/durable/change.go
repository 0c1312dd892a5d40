package durable

import (
	"context"
	"errors"

	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// Put stores a member of the room at a revision and returns the next one. Its errors are ErrConflict and
// ErrUnavailable. Repeated with the same arguments after ErrUnavailable it succeeds, unless the room has
// changed otherwise; then it is ErrConflict whether or not the first one took place.
func (r *Rooms) Put(ctx context.Context, room string, revision uint64, user string, m Member) (uint64, error) {
	doc := memberOf(m)
	return r.change(ctx, "put", room, revision, user, &doc)
}

// Drop removes a user from the room at a revision and returns the next one. One who is not in it may be
// dropped. Errors and repetition are those of Put.
func (r *Rooms) Drop(ctx context.Context, room string, revision uint64, user string) (uint64, error) {
	return r.change(ctx, "drop", room, revision, user, nil)
}

func (r *Rooms) change(ctx context.Context, name, room string, revision uint64, user string, m *member) (uint64, error) {
	if err := errors.Join(checkRoom(room), checkUser(user)); err != nil {
		return 0, err
	}
	prefix, c := roomSubject(room), change{Before: revision, User: natskey.Escape(user), Member: m}
	var next uint64
	err := r.call(ctx, name, func(ctx context.Context) error {
		if revision == 0 {
			return ErrConflict // it would make the room
		}
		h := encode(head{Version: version, State: live, Change: c})
		seq, now, err := r.setHead(ctx, prefix, revision, func() (uint64, error) {
			return r.write(ctx, prefix+headTail, h, prefix+headTail, revision)
		})
		switch {
		case err == nil:
		case errors.Is(err, ErrConflict) && now.live() && now.Change.equal(c):
			seq = now.seq // a call before this one
		default:
			return err
		}
		next = seq
		return r.apply(ctx, prefix, c, seq)
	})
	if err != nil {
		return 0, err
	}
	return next, nil
}
