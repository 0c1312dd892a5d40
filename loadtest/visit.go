package loadtest

import (
	"context"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// visit joins and leaves one room after the other until ctx or the connection
// ends. Each visit is a subscriber of its own: nothing may arrive between two.
func (s *stay) visit(ctx context.Context) {
	p := s.user.load.People
	if s.tab.stays > 1 && p.Rooms > 0 {
		// Where the connection before was lost, the user may still be a member.
		room := s.user.room % p.Rooms
		s.enter(room)
		s.exit(ctx, room)
		s.user.room++
	}
	for ctx.Err() == nil && s.conn.Err() == nil {
		room := s.user.room % p.Rooms
		sub := s.enter(room)
		if s.join(ctx, room) != nil {
			return
		}
		s.rec.joined(sub, []int{s.user.load.roomTopic(room)})
		s.pause(ctx, p.Stay)
		if ctx.Err() != nil {
			return // it stays to the end
		}
		s.rec.leaving(sub, s.user.load.roomTopic(room))
		s.exit(ctx, room)
		if s.conn.Err() != nil {
			return // it comes back for this room
		}
		p.Progress.count(func(n *Tally) { n.Visits[room]++ })
		s.user.room++
		s.pause(ctx, p.Away/2)
	}
}

// enter makes a new subscriber for room.
func (s *stay) enter(room int) (sub int) {
	_, sub = s.rec.enter()
	s.rec.joining(sub, s.user.load.roomTopic(room))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = append(s.subs, sub)
	s.rooms[room] = sub
	return sub
}

// exit leaves room.
func (s *stay) exit(ctx context.Context, room int) {
	err := s.insist(ctx, func(ctx context.Context) error {
		err := s.conn.LeaveRoom(ctx, s.user.load.room(room))
		if code := client.Code(err); code == 403 || code == 404 || code == 409 {
			return nil // it is no member any more: an attempt before took effect, whatever became of its answer
		}
		return err
	})
	if err != nil {
		return
	}
	s.mu.Lock()
	sub := s.rooms[room]
	s.mu.Unlock()
	s.rec.gone(sub, s.user.load.roomTopic(room))
}
