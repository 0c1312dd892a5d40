package loadtest

import (
	"context"
	"errors"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// talk sends to the rooms and users in turn until ctx or the connection ends.
func (s *stay) talk(ctx context.Context) {
	p := s.user.load.People
	rooms, stopRooms := every(p.RoomRate)
	defer stopRooms()
	users, stopUsers := every(p.DirectRate)
	defer stopUsers()
	for {
		select {
		case <-rooms:
			if in := s.user.rooms; len(in) > 0 {
				s.user.room++
				s.toRoom(in[s.user.room%len(in)])
			}
		case <-users:
			s.user.to++
			if to := s.user.all[s.user.to%len(s.user.all)]; to != s.user {
				s.toUser(to)
			}
		case <-ctx.Done():
			return
		case <-s.conn.Done():
			return
		}
	}
}

// every ticks at a rate; never for 0.
func every(rate float64) (ticks <-chan time.Time, stop func()) {
	if rate == 0 {
		return nil, func() {}
	}
	t := time.NewTicker(time.Duration(float64(time.Second) / rate))
	return t.C, t.Stop
}

func (s *stay) toRoom(room int) {
	load := s.user.load
	s.send(load.roomTopic(room), func(payload string, done func(client.Ack, error)) error {
		return s.conn.SendRoom(load.room(room), payload, done)
	}, func(m mark, _ client.Ack) {
		s.rec.acked(m.pub, m.n)
		load.People.Progress.count(func(n *Tally) { n.Rooms[room]++ })
	}, func(int) {})
}

func (s *stay) toUser(to *user) {
	load := s.user.load
	before := to.whereabouts()
	s.send(load.mailbox(to.index), func(payload string, done func(client.Ack, error)) error {
		return s.conn.SendDirect(to.name, payload, done)
	}, func(m mark, ack client.Ack) {
		s.rec.directAcked(m.pub, m.n, ack)
		load.People.Progress.count(func(n *Tally) {
			if ack.Status == "queued" {
				n.Queued++
			} else {
				n.Delivered++
			}
		})
	}, func(code int) {
		if to.whereabouts() != before {
			return
		}
		load.People.Progress.count(func(n *Tally) {
			switch {
			case before.here:
				n.RefusedHere[code]++
			case before.away:
				n.RefusedAway[code]++
			}
		})
	})
}

// send sends one message to topic by post, and tells whoever it concerns what
// became of it.
func (s *stay) send(topic int, post func(string, func(client.Ack, error)) error, acked func(mark, client.Ack), refused func(code int)) {
	if s.inFlight.Load() >= maxInFlight {
		s.rec.skip()
		return
	}
	s.inFlight.Add(1)
	m := s.rec.sending(s.pub, topic)
	err := post(m.payload(s.user.load.Payload), func(ack client.Ack, err error) {
		s.inFlight.Add(-1)
		var refusal *client.ServerError
		switch {
		case err == nil:
			acked(m, ack)
		case errors.As(err, &refusal):
			s.rec.refused(m.pub, m.n, refusal.Code)
			refused(refusal.Code)
		}
	})
	if err != nil {
		s.inFlight.Add(-1) // the message counts as unanswered, the connection as lost
	}
}
