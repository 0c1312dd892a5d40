package durable

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// UserRooms lists the durable rooms of a user, in no particular order; nil if there are none. It is one
// read of any replica, which may be some milliseconds behind.
func (r *Rooms) UserRooms(ctx context.Context, user string) ([]string, error) {
	if err := checkUser(user); err != nil {
		return nil, err
	}
	var rooms []string
	err := r.call(ctx, "user_rooms", func(ctx context.Context) error {
		s, err := r.direct(ctx, userSubject(user))
		if err != nil || !s.exists() {
			return err
		}
		doc, err := decode[userRooms](s.data, "a user's rooms")
		if err != nil {
			return err
		}
		for _, token := range doc.Rooms {
			room, ok := natskey.Unescape(token)
			if !ok {
				return fmt.Errorf("read a user's rooms: name %q", token)
			}
			rooms = append(rooms, room)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rooms, nil
}

// AddUserRoom adds a room to the list of a user, unless it is there. It fails with ErrUnavailable, and
// may be repeated.
func (r *Rooms) AddUserRoom(ctx context.Context, user, room string) error {
	return r.changeUser(ctx, "add_user_room", user, room, func(rooms []string, at int, found bool) ([]string, bool) {
		if found {
			return rooms, false
		}
		return slices.Insert(rooms, at, natskey.Escape(room)), true
	})
}

// RemoveUserRoom removes a room from the list of a user, if it is there. It fails with ErrUnavailable,
// and may be repeated.
func (r *Rooms) RemoveUserRoom(ctx context.Context, user, room string) error {
	return r.changeUser(ctx, "remove_user_room", user, room, func(rooms []string, at int, found bool) ([]string, bool) {
		if !found {
			return rooms, false
		}
		return slices.Delete(rooms, at, at+1), true
	})
}

// changeUser changes a user's list, of which the room is at an index or would be; the list is sorted.
func (r *Rooms) changeUser(ctx context.Context, name, user, room string, change func(rooms []string, at int, found bool) ([]string, bool)) error {
	if err := errors.Join(checkRoom(room), checkUser(user)); err != nil {
		return err
	}
	return r.call(ctx, name, func(ctx context.Context) error {
		at := userSubject(user)
		for {
			s, err := r.latest(ctx, at)
			if err != nil {
				return err
			}
			doc := userRooms{}
			if s.exists() {
				if doc, err = decode[userRooms](s.data, "a user's rooms"); err != nil {
					return err
				}
			}
			i, found := slices.BinarySearch(doc.Rooms, natskey.Escape(room))
			rooms, changed := change(doc.Rooms, i, found)
			if !changed {
				return nil
			}
			if len(rooms) == 0 {
				_, err = r.remove(ctx, at, at, s.seq)
			} else {
				_, err = r.write(ctx, at, encode(userRooms{Version: version, Rooms: rooms}), at, s.seq)
			}
			if !errors.Is(err, ErrConflict) {
				return err
			}
			if err := jsstream.Wait(ctx, pause); err != nil {
				return err
			}
		}
	})
}
