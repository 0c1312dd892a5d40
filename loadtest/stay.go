package loadtest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// stay is one connection of a tab, from before it is opened. To the checker it is
// a publisher and a subscriber of its own; each visit to a room is one more.
type stay struct {
	// static
	tab      *tab
	user     *user
	rec      *recorder
	pub, sub int
	blind    bool           // what it sees does not count; set before it is opened
	name     string         // for the report; set before the connection is
	conn     *client.Client // set before anything but the callbacks runs

	settled  bool // owned by the tab
	since    time.Duration
	inFlight atomic.Int64

	mu    sync.Mutex   // guards what follows
	subs  []int        // all of its own
	rooms []int        // by room: the subscriber that is there, or was last
	heard map[int]bool // by room, in a silent tab
}

// hearWithin is how long a tab that joined nothing may take to hear of the rooms
// that its user is in.
const hearWithin = 5 * time.Second

func newStay(t *tab) *stay {
	s := &stay{tab: t, user: t.user, rec: t.user.rec, heard: make(map[int]bool)}
	s.pub, s.sub = s.rec.enter()
	s.subs = []int{s.sub}
	for range t.user.load.People.Rooms {
		s.rooms = append(s.rooms, s.sub)
	}
	s.user.change(0, 1)
	s.rec.joining(s.sub, s.user.load.mailbox(s.user.index))
	for _, room := range s.user.rooms {
		s.rec.joining(s.sub, s.user.load.roomTopic(room))
	}
	if rooms := s.user.load.People.Rooms; s.user.part == visitor && t.stays > 0 && rooms > 0 {
		// The connection before was lost: the user may still be a member, and hear of it at once.
		s.rec.joining(s.sub, s.user.load.roomTopic(s.user.room%rooms))
	}
	return s
}

// settle makes sure that the owner of the user knows the connection, and joins
// the rooms. The error is that of the connection or of ctx.
func (s *stay) settle(ctx context.Context) error {
	load := s.user.load
	err := s.insist(ctx, func(ctx context.Context) error {
		// What concerns one user takes effect in order, so this comes behind the opening.
		p, err := s.conn.GetPresence(ctx, s.user.name)
		if err == nil && (len(p) != 1 || p[0].Status != "online" || p[0].Connections < 1) {
			err = fmt.Errorf("own presence is %+v", p)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.rec.joined(s.sub, []int{load.mailbox(s.user.index)})
	for _, room := range s.user.rooms {
		if s.tab.silent {
			break
		}
		if err := s.join(ctx, room); err != nil {
			return err
		}
		s.rec.joined(s.sub, []int{load.roomTopic(room)})
	}
	s.settled, s.since = true, s.rec.now()
	s.user.change(1, -1)
	return nil
}

func (s *stay) join(ctx context.Context, room int) error {
	return s.insist(ctx, func(ctx context.Context) error {
		_, err := s.conn.JoinRoom(ctx, s.user.load.room(room), false)
		return err
	})
}

// insist asks until the answer is yes, the connection is lost or ctx ends. A no
// is trouble, unless the system is just unsettled.
func (s *stay) insist(ctx context.Context, ask func(context.Context) error) error {
	for {
		// What was asked for takes effect, whether or not anybody waits for the answer.
		err := ask(context.WithoutCancel(ctx))
		switch {
		case err == nil:
			return nil
		case s.conn.Err() != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		s.trouble(err)
		if !sleep(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// lost tells that the connection ended unasked.
func (s *stay) lost() {
	s.rec.lostOne(s.String(), s.conn.Err())
	s.user.load.People.Progress.count(func(n *Tally) { n.Lost++ })
	s.end(true)
}

// leave ends the connection: with a goodbye, or without.
func (s *stay) leave(abruptly bool) {
	s.end(false)
	if abruptly {
		s.conn.Abort()
	} else {
		_ = s.conn.Close()
	}
	s.user.change(0, -1)
}

// end tells that nothing is promised any more. What is lost is closed already.
func (s *stay) end(lost bool) {
	s.mu.Lock()
	subs, heard := s.subs, len(s.heard)
	s.mu.Unlock()
	s.rec.left(s.pub, subs)
	if now := s.rec.now(); s.tab.silent && s.settled && now-s.since > hearWithin && heard < len(s.user.rooms) {
		s.trouble(fmt.Errorf("in %v it heard of %d rooms out of %d", now-s.since, heard, len(s.user.rooms)))
	}
	switch {
	case s.settled && lost:
		s.user.change(-1, 0)
	case s.settled:
		s.user.change(-1, 1)
	case lost || s.conn == nil:
		s.user.change(0, -1)
	}
}

// onDirect runs on the connection's read goroutine, and so do the next two.
func (s *stay) onDirect(d client.DirectMessage) {
	if s.blind {
		s.user.load.People.Progress.count(func(n *Tally) { n.Unseen++ })
		return
	}
	box := s.user.load.mailbox(s.user.index)
	m, ok := readMark(d.Payload, s.user.load.Payload)
	if !ok {
		s.rec.altered(s.sub, box, d.FromUser+" "+d.Payload)
		return
	}
	s.rec.direct(s.sub, box, m, d)
	if d.Queued {
		s.user.load.People.Progress.count(func(n *Tally) { n.Late++ })
	}
}

func (s *stay) onRoom(r client.RoomMessage) {
	load := s.user.load
	room := -1
	if number, ok := strings.CutPrefix(r.Room, load.Prefix+".room."); ok {
		if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < load.People.Rooms {
			room = i
		}
	}
	m, ok := readMark(r.Payload, load.Payload)
	if !ok || room < 0 {
		s.rec.altered(s.sub, room, r.Room+" "+r.Payload)
		return
	}
	s.mu.Lock()
	sub, first := s.rooms[room], s.tab.silent && !s.heard[room]
	s.heard[room] = true
	s.mu.Unlock()
	s.rec.delivered(sub, load.roomTopic(room), m)
	if first {
		s.rec.joined(sub, []int{load.roomTopic(room)})
	}
	load.People.Progress.count(func(n *Tally) { n.Heard[room]++ })
}

func (s *stay) onOther(m client.Message) {
	s.rec.other(fmt.Sprintf("%s: %s %s %.200s", s, m.Type, m.ID, m.Data))
}

func (s *stay) trouble(err error) { s.rec.trouble(s.String(), err) }

// String names the stay for the report.
func (s *stay) String() string { return s.name }
