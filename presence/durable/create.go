package durable

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// Create stores a new room with its members and sets its Revision. Nobody sees the room before it is
// complete. Every member costs one round trip, within the timeout of the call: with more than some
// hundred members Put is the better way. Its errors are ErrExists, ErrUnavailable, and ErrConflict when
// somebody else is creating a room of that name at this moment. Repeated with the same owner and
// CreatedAt it succeeds, unless members have changed since; then it is ErrConflict.
func (r *Rooms) Create(ctx context.Context, room *Room) error {
	errs := []error{checkRoom(room.Name), checkUser(room.Owner)}
	for user := range room.Members {
		errs = append(errs, checkUser(user))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.call(ctx, "create", func(ctx context.Context) error {
		prefix := roomSubject(room.Name)
		last, err := r.latest(ctx, prefix+">")
		if err != nil {
			return err
		}
		var now state
		if last.seq > 0 {
			if now, err = r.state(ctx, prefix); err != nil {
				return err
			}
		}
		if now.live() {
			return r.repeated(ctx, prefix, room, now)
		}
		claim, now, err := r.setState(ctx, prefix, creating, now.seq)
		if errors.Is(err, ErrConflict) && now.live() {
			return r.repeated(ctx, prefix, room, now)
		} else if err != nil {
			return err
		}
		if last.seq > 0 { // what an earlier room or creation left
			if err := r.purge(ctx, prefix, claim); err != nil {
				return err
			}
		}
		if err := r.fill(ctx, prefix, room, claim); err != nil {
			return err
		}
		room.Revision, _, err = r.setState(ctx, prefix, live, claim)
		return err
	})
}

// setState replaces the head at a sequence by one without a change.
func (r *Rooms) setState(ctx context.Context, prefix, to string, expected uint64) (uint64, state, error) {
	at, h := prefix+headTail, encode(head{Version: version, State: to})
	return r.setHead(ctx, prefix, expected, func() (uint64, error) { return r.write(ctx, at, h, at, expected) })
}

// fill writes what belongs to a room whose head at claim says that it is being created.
func (r *Rooms) fill(ctx context.Context, prefix string, room *Room, claim uint64) error {
	put := func(tail string, document any) error {
		data := encode(document)
		return r.below(ctx, prefix, claim, func() (uint64, error) {
			return r.write(ctx, prefix+tail, data, prefix+headTail, claim)
		})
	}
	err := put(propertiesTail, properties{
		Version: version, Owner: natskey.Escape(room.Owner), Private: room.Private, Capacity: room.Capacity,
		Metadata: room.Metadata, CreatedAt: room.CreatedAt,
	})
	for _, user := range slices.Sorted(maps.Keys(room.Members)) {
		if err != nil {
			return err
		}
		err = put(memberTail+natskey.Escape(user), memberOf(room.Members[user]))
	}
	return err
}

// repeated is Create of a room that exists: it may be the one of a call before this one.
func (r *Rooms) repeated(ctx context.Context, prefix string, room *Room, now state) error {
	s, err := r.latest(ctx, prefix+propertiesTail)
	if err != nil {
		return err
	}
	if !s.exists() {
		return ErrConflict // deleted just now
	}
	p, err := decode[properties](s.data, "a room's properties")
	switch {
	case err != nil:
		return err
	case p.Owner != natskey.Escape(room.Owner) || p.CreatedAt != room.CreatedAt:
		return ErrExists
	case now.Change.User != "":
		return ErrConflict
	}
	room.Revision = now.seq
	return nil
}
