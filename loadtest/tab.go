package loadtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// tab is a place from which a user connects: one stay after the other.
type tab struct {
	// static
	user   *user
	index  int
	silent bool // it joins no rooms: what the user's first tab joins must reach it

	// owned by live, and by connect before that
	gateway int // where to connect next, modulo their number
	stays   int
}

// live spends stay and what comes after it until life ends.
func (t *tab) live(life, work context.Context, s *stay) {
	for s != nil {
		var gone bool
		switch t.user.part {
		case resident:
			s.talk(work)
		case visitor:
			s.visit(work)
		case wanderer:
			gone = s.wander(work)
		}
		if !gone {
			select {
			case <-s.conn.Done():
				s.lost()
			case <-life.Done():
				_ = s.conn.Close()
				return
			}
		}
		s = t.again(life, work, gone)
	}
}

// again opens the next stay; a user who went by itself keeps away for a while.
func (t *tab) again(life, work context.Context, gone bool) *stay {
	if gone {
		sleep(work, t.user.load.People.Away)
		if t.stays%3 == 1 {
			t.blink(life)
		}
	}
	for life.Err() == nil {
		s := newStay(t)
		if t.open(life, s) != nil {
			return nil
		}
		if err := s.settle(life); err == nil {
			t.user.load.People.Progress.count(func(n *Tally) { n.Returned++ })
			return s
		} else if life.Err() != nil {
			_ = s.conn.Close()
			return nil
		}
		s.lost()
	}
	return nil
}

// blink connects and breaks off before the server can know what arrived: all of
// it has to come again.
func (t *tab) blink(ctx context.Context) {
	s := newStay(t)
	s.blind = true
	if t.open(ctx, s) != nil {
		return
	}
	sleep(ctx, time.Duration(t.stays%4)*time.Millisecond)
	s.leave(true)
}

// open connects s to one gateway after the other, until one takes it or ctx ends.
func (t *tab) open(ctx context.Context, s *stay) error {
	load := t.user.load
	token, err := load.Token(t.user.name)
	if err != nil {
		return fmt.Errorf("token for %s: %w", t.user.name, err)
	}
	t.stays++
	for {
		g := t.gateway % len(load.Gateways)
		s.name = fmt.Sprintf("%s, tab %d, stay %d, on gateway %d", t.user.name, t.index, t.stays, g)
		t.gateway++
		s.conn, err = client.Dial(ctx, load.Gateways[g], token, client.Options{
			Direct: s.onDirect, Room: s.onRoom, RoomEvent: func(client.RoomEvent) {}, Other: s.onOther,
			Mute: s.blind,
		})
		if err == nil {
			return nil
		}
		// A gateway that is dead is no surprise; one that says no is.
		if refusal := (*client.HandshakeError)(nil); errors.As(err, &refusal) {
			s.trouble(err)
		}
		if !sleep(ctx, 100*time.Millisecond) {
			s.end(false)
			return fmt.Errorf("connect %s: %w", t.user.name, err)
		}
	}
}
