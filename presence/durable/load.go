package durable

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// errChanged: a room changed while it was read.
var errChanged = errors.New("the room keeps changing")

// Load reads a room: everything acknowledged before the call is in it. A change that its writer did not
// finish is finished. Its errors are ErrNotFound, which costs one read of any replica, and ErrUnavailable.
func (r *Rooms) Load(ctx context.Context, room string) (*Room, error) {
	if err := checkRoom(room); err != nil {
		return nil, err
	}
	var loaded *Room
	err := r.call(ctx, "load", func(ctx context.Context) error {
		prefix := roomSubject(room)
		if s, err := r.direct(ctx, prefix+headTail); err != nil {
			return err
		} else if !s.exists() {
			return ErrNotFound
		}
		var err error
		loaded, err = r.settled(ctx, prefix)
		return err
	})
	if err != nil {
		return nil, err
	}
	loaded.Name = room
	return loaded, nil
}

// settled reads a room, again and again if it changes meanwhile.
func (r *Rooms) settled(ctx context.Context, prefix string) (*Room, error) {
	for {
		room, err := r.read(ctx, prefix)
		if !errors.Is(err, errChanged) || jsstream.Wait(ctx, pause) != nil {
			return room, err
		}
	}
}

// read reads a room that did not change meanwhile, or errChanged.
func (r *Rooms) read(ctx context.Context, prefix string) (*Room, error) {
	now, err := r.state(ctx, prefix)
	if err != nil {
		return nil, err
	}
	if !now.live() {
		return nil, ErrNotFound
	}
	m, err := r.snapshot(ctx, prefix)
	if errors.Is(err, jsstream.ErrTooMany) {
		if m, err = r.scan(ctx, prefix, now.seq); err != nil {
			return nil, err
		}
		again, err := r.state(ctx, prefix)
		if err != nil {
			return nil, err
		}
		if again.seq != m.keys[headTail].seq {
			return nil, errChanged
		}
	} else if err != nil {
		return nil, err
	}
	if m.keys[headTail].seq < now.seq {
		return nil, errChanged // read from a replica that is behind
	}
	if now, err = stateOf(m.keys[headTail]); err != nil {
		return nil, err
	}
	if !now.live() {
		return nil, ErrNotFound
	}
	room, unfinished, err := m.room(now)
	if err != nil || !unfinished {
		return room, err
	}
	return room, r.apply(ctx, prefix, now.Change, now.seq)
}

// room is the room of an image at a head, and whether the head's change is missing at its member.
func (m *image) room(now state) (room *Room, unfinished bool, err error) {
	p, err := decode[properties](m.keys[propertiesTail].data, "a room's properties")
	if err != nil {
		return nil, false, err
	}
	room = &Room{
		Private: p.Private, Capacity: p.Capacity, Metadata: p.Metadata, CreatedAt: p.CreatedAt,
		Members: make(map[string]Member, len(m.keys)), Revision: now.seq,
	}
	var ok bool
	if room.Owner, ok = natskey.Unescape(p.Owner); !ok {
		return nil, false, fmt.Errorf("read a room's properties: owner %q", p.Owner)
	}
	c := now.Change
	for tail, s := range m.keys {
		token, isMember := strings.CutPrefix(tail, memberTail)
		if !isMember || s.removed || token == c.User && s.seq < now.seq {
			continue
		}
		user, ok := natskey.Unescape(token)
		if !ok {
			return nil, false, fmt.Errorf("read a room's member: key %q", token)
		}
		d, err := decode[member](s.data, "a room's member")
		if err != nil {
			return nil, false, err
		}
		room.Members[user] = Member{Joined: d.Joined, Version: d.Given}
	}
	if c.User == "" {
		return room, false, nil
	}
	at := m.keys[memberTail+c.User]
	if c.Member == nil {
		return room, at.exists() && at.seq < now.seq, nil
	}
	if at.seq > now.seq {
		return room, false, nil
	}
	user, ok := natskey.Unescape(c.User)
	if !ok {
		return nil, false, fmt.Errorf("read a room's head: user %q", c.User)
	}
	room.Members[user] = Member{Joined: c.Member.Joined, Version: c.Member.Given}
	return room, true, nil
}
