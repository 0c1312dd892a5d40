package durable

import (
	"context"
	"errors"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// state is a head and its sequence; the zero value: there is none, or it was removed.
type state struct {
	head
	seq uint64 // of the head or of its deletion marker; 0: neither
}

// live tells whether the room exists.
func (s state) live() bool { return s.State == live }

func stateOf(s stored) (state, error) {
	if !s.exists() {
		return state{seq: s.seq}, nil
	}
	h, err := decode[head](s.data, "a room's head")
	return state{head: h, seq: s.seq}, err
}

// state reads a room's head from the leader.
func (r *Rooms) state(ctx context.Context, prefix string) (state, error) {
	s, err := r.latest(ctx, prefix+headTail)
	if err != nil {
		return state{}, err
	}
	return stateOf(s)
}

// setHead replaces the head at a sequence by one that write makes. A cluster refuses such a write also
// while another is under way, even one it will refuse as well, so it is repeated until the head has moved.
// Then the head as it is comes with ErrConflict.
func (r *Rooms) setHead(ctx context.Context, prefix string, expected uint64, write func() (uint64, error)) (uint64, state, error) {
	for {
		seq, err := write()
		if !errors.Is(err, ErrConflict) {
			return seq, state{}, err
		}
		now, err := r.state(ctx, prefix)
		if err != nil {
			return 0, state{}, err
		}
		if now.seq != expected {
			return 0, now, ErrConflict
		}
		if err := jsstream.Wait(ctx, pause); err != nil {
			return 0, state{}, err
		}
	}
}

// below writes at a subject of the room while its head is at a sequence. It is ErrConflict if that is over.
func (r *Rooms) below(ctx context.Context, prefix string, seq uint64, write func() (uint64, error)) error {
	_, _, err := r.setHead(ctx, prefix, seq, write)
	return err
}

// apply writes the change of the head at seq to the member's key. If the head has moved on, then
// whoever moved it has done that before.
func (r *Rooms) apply(ctx context.Context, prefix string, c change, seq uint64) error {
	at, fence := prefix+memberTail+c.User, prefix+headTail
	err := r.below(ctx, prefix, seq, func() (uint64, error) {
		if c.Member == nil {
			return r.remove(ctx, at, fence, seq)
		}
		return r.write(ctx, at, encode(c.Member), fence, seq)
	})
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}
