package durable

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// List is the durable rooms of a user, in no particular order, or why they cannot be told though NATS is there.
type List struct {
	Rooms []string
	Err   error
}

// UserRooms lists the durable rooms of users, at most jsstream.MaxLast of them; who has none is not in it. It is one
// read of any replica, which may be some milliseconds behind. It fails with ErrUnavailable.
func (r *Rooms) UserRooms(ctx context.Context, users []string) (lists map[string]List, err error) {
	lists = make(map[string]List)
	of := make(map[string]string, len(users)) // user by subject
	for _, user := range users {
		if err := checkUser(user); err != nil {
			lists[user] = List{Err: err}
			continue
		}
		of[userSubject(user)] = user
	}
	if len(of) == 0 {
		return lists, nil
	}
	err = r.call(ctx, "user_rooms", func(ctx context.Context) error {
		return r.lasts(ctx, slices.Collect(maps.Keys(of)), func(subject string, s stored) {
			if user, ok := of[subject]; ok && s.exists() {
				lists[user] = listOf(s)
			}
		})
	})
	if err != nil {
		return nil, err
	}
	return lists, nil
}

func listOf(s stored) (l List) {
	doc, err := decode[userRooms](s.data, "a user's rooms")
	if err != nil {
		return List{Err: err}
	}
	for _, token := range doc.Rooms {
		room, ok := natskey.Unescape(token)
		if !ok {
			return List{Err: fmt.Errorf("read a user's rooms: name %q", token)}
		}
		l.Rooms = append(l.Rooms, room)
	}
	return l
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
