package presence

import (
	"fmt"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// checkWatchers compares what those who watch were told last.
func (s *society) checkWatchers() {
	s.Helper()
	for _, p := range s.users {
		for _, c := range p.conns {
			for user, got := range c.watches {
				if want := s.users[user].public(); got != want {
					s.Fatalf("%s thinks that %s is %q, it is %q", c.user, user, got, want)
				}
			}
		}
	}
}

// checkRooms compares where the loops think that users are.
func (s *society) checkRooms() {
	s.Helper()
	for _, l := range s.loops {
		for key, u := range l.users {
			for room := range u.rooms {
				if got, want := u.inRoom(room), s.in(wire.Name(room), wire.Name(key)); got != want {
					s.Fatalf("%d.%d thinks that %q is in %q: %v", l.gateway.ID, l.index, key, room, got)
				}
			}
			for room, c := range s.rooms {
				if c.members[wire.Name(key)] && !u.inRoom(wire.RoomKey(room)) {
					s.Fatalf("%d.%d does not know that %q is in %q", l.gateway.ID, l.index, key, room)
				}
			}
		}
	}
}

// checkPlaces compares how far the loops are in the rooms' histories.
func (s *society) checkPlaces() {
	s.Helper()
	for _, l := range s.loops {
		for key, h := range l.rooms {
			c := s.rooms[wire.Name(key)]
			if c == nil || !h.ready || h.asks > 0 || testPolicy.OfRoom(wire.Name(key)) == nil {
				continue
			}
			if h.at.Epoch == 0 || int(h.at.Offset) != c.said {
				s.Fatalf("%d.%d thinks that it has up to %v of %q, where %d were said", l.gateway.ID, l.index, h.at, key, c.said)
			}
		}
	}
}

func (s *society) in(room, user string) bool {
	return s.rooms[room] != nil && s.rooms[room].members[user]
}

func (s *society) forgetFrames() {
	for _, p := range s.users {
		for _, c := range p.conns {
			c.got = nil
		}
	}
}

// check compares everything, when nothing is on its way.
func (s *society) check() {
	s.Helper()
	s.settle()
	s.unanswered()
	s.checkRooms()
	s.checkPlaces()
	s.checkWatchers()
	at := make(map[place]bool)
	rooms := make(map[string]*hall)
	total := 0
	for _, list := range s.registries {
		for _, r := range list {
			total += r.total
			for key, h := range r.rooms {
				if r.lane.Owns(key) {
					rooms[key] = h
				}
			}
			for p := range r.digests {
				at[p] = true
			}
		}
	}
	want := 0
	for name, p := range s.users {
		want += len(p.conns)
		for _, list := range s.registries {
			for _, r := range list {
				u := r.users[wire.UserKey(name)]
				if u == nil || !r.lane.Owns(u.key) {
					continue
				}
				if u.connections() != len(p.conns) {
					s.Fatalf("%s has %d connections, want %d", name, u.connections(), len(p.conns))
				}
				if m := u.mood; p.moody != (m != nil) || m != nil && (m.status != p.status || m.message != p.words) {
					s.Fatalf("%s says %+v of itself, want %+v", name, m, p)
				}
			}
		}
	}
	if total != want {
		s.Fatalf("%d connections, want %d", total, want)
	}
	for key, h := range rooms {
		if s.rooms[wire.Name(key)] == nil {
			s.Fatalf("there is %s", h.inWords())
		}
	}
	for name, c := range s.rooms {
		h := rooms[wire.RoomKey(name)]
		if h == nil || h.owner != c.owner || h.private != c.private || h.count != c.count() {
			s.Fatalf("%s is %s, want %+v", name, h.inWords(), c)
		}
		for user, in := range c.members {
			if m, known := h.members.Get(user); !known && (in || c.private) || m.joined != in {
				s.Fatalf("%s in %s is %+v, want %v", user, name, m, in)
			}
		}
	}
}

// inWords describes a room for what a test says.
func (h *hall) inWords() string {
	if h == nil {
		return "no room"
	}
	text := h.name() + " of " + h.owner
	h.members.Scan(func(user string, m member) bool {
		text += fmt.Sprintf(", %s %v by %d", user, m.joined, m.version)
		return true
	})
	return text
}
