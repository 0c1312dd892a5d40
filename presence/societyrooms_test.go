package presence

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// askRoom has a connection ask for something about a room.
func (s *society) askRoom(c *testConn, room string) {
	s.maySettle(c)
	club, other := s.rooms[room], s.name()
	var code int
	var verb wire.Verb
	body := data("room", room)
	then := func() {}
	switch s.r.IntN(9) {
	case 8:
		s.history(c, room)
		return
	case 0, 1:
		verb, code, body, then = s.create(c, room)
	case 2, 3:
		verb, code, body, then = s.join(c, room)
	case 4:
		verb, then = wire.VerbLeaveRoom, func() { s.leave(room, c.user) }
		if club == nil {
			code = protocol.CodeNotFound
		} else if !club.members[c.user] {
			code = protocol.CodeConflict
		}
	case 5:
		verb, body, then = wire.VerbAddMember, data("room", room, "user", other), func() { s.enter(club, other) }
		switch {
		case club == nil:
			code = protocol.CodeNotFound
		case club.owner != c.user:
			code = protocol.CodeForbidden
		case !club.members[other] && club.full():
			code = protocol.CodeConflict
		}
	case 6:
		verb, body = wire.VerbRemoveMember, data("room", room, "user", other)
		then = func() {
			if delete(club.members, other); club.count() == 0 {
				delete(s.rooms, room)
			}
		}
		if club == nil {
			code = protocol.CodeNotFound
		} else if _, known := club.members[other]; club.owner != c.user {
			code = protocol.CodeForbidden
		} else if !known {
			code = protocol.CodeNotFound
		}
	case 7:
		if s.r.IntN(3) == 0 {
			verb, then = wire.VerbDeleteRoom, func() { delete(s.rooms, room) }
			if club == nil {
				code = protocol.CodeNotFound
			} else if club.owner != c.user {
				code = protocol.CodeForbidden
			}
			break
		}
		s.info(c, room)
		return
	}
	s.world.note("%s asks verb %d of %s, %s: %d", c.user, verb, room, body, code)
	c.loop.ask(c, verb, wire.RoomKey(room), body, func(reply gjson.Result, _ wire.Answer) {
		got := int(reply.Get("data.code").Int())
		if got != code || reply.Get("id").Str != "x" {
			s.Fatalf("verb %d of %s, %s by %s: %s, want code %d; the room is %+v", verb, room, body, c.user, reply.Raw, code, club)
		}
	})
	if code == 0 {
		then()
	}
}

func (s *society) create(c *testConn, room string) (verb wire.Verb, code int, body []byte, then func()) {
	next := &club{owner: c.user, members: map[string]bool{c.user: true}, private: s.r.IntN(2) == 0, capacity: s.r.IntN(5)}
	if s.r.IntN(3) == 0 {
		next.members[s.name()] = true
	}
	pairs := []any{"room", room, "members", "[]"}
	list := "["
	for _, user := range slices.Sorted(maps.Keys(next.members)) {
		list += strconv.Quote(user) + ","
	}
	pairs[3] = gjson.Parse(list[:len(list)-1] + "]")
	if next.private {
		pairs = append(pairs, "visibility", "private")
	}
	if next.capacity > 0 {
		pairs = append(pairs, "capacity", next.capacity)
	}
	switch {
	case s.rooms[room] != nil:
		code = protocol.CodeConflict
	case next.capacity > 0 && next.count() > next.capacity:
		code = protocol.CodeBadRequest
	}
	return wire.VerbCreateRoom, code, data(pairs...), func() {
		s.rooms[room] = next
		for user := range next.members {
			s.mayBeGone(user)
		}
	}
}

func (s *society) join(c *testConn, room string) (verb wire.Verb, code int, body []byte, then func()) {
	there := s.rooms[room]
	create := s.r.IntN(2) == 0
	if there == nil {
		if !create {
			code = protocol.CodeNotFound
		}
		return wire.VerbJoinRoom, code, data("room", room, "create", create), func() {
			s.rooms[room] = &club{owner: c.user, members: map[string]bool{c.user: true}}
		}
	}
	_, known := there.members[c.user]
	switch {
	case there.members[c.user]:
	case there.private && !known && c.user != there.owner:
		code = protocol.CodeForbidden
	case there.full():
		code = protocol.CodeConflict
	}
	return wire.VerbJoinRoom, code, data("room", room, "create", create), func() { s.enter(there, c.user) }
}

// info asks who is in a room.
func (s *society) info(c *testConn, room string) {
	club := s.rooms[room]
	code := 0
	var want []string
	var head string
	if club == nil {
		code = protocol.CodeNotFound
	} else if want = club.joined(); club.private && !club.members[c.user] && club.owner != c.user {
		code = protocol.CodeForbidden
	} else {
		head = fmt.Sprintf("%s %d", club.owner, club.count())
	}
	s.world.note("%s asks who is in %s", c.user, room)
	c.loop.ask(c, wire.VerbRoomInfo, wire.RoomKey(room), data("room", room), func(_ gjson.Result, a wire.Answer) {
		if int(a.Code) != code {
			s.Fatalf("who is in %s: code %d %q, want %d", room, a.Code, a.Body, code)
		}
		if code != 0 {
			return
		}
		var parts []string
		for b := a.Body; len(b) > 0; {
			n := binary.LittleEndian.Uint32(b)
			parts = append(parts, string(b[4:4+n]))
			b = b[4+n:]
		}
		if got := parts[2:]; !slices.Equal(got, want) || parts[1] != "" {
			s.Fatalf("in %s are %q, next %q, want %q", room, got, parts[1], want)
		}
		d := gjson.Parse("{" + parts[0] + "}")
		if got := d.Get("owner").Str + " " + d.Get("member_count").Raw; got != head {
			s.Fatalf("%s is %s, want %s", room, parts[0], head)
		}
	})
}

// history asks for the last that was said in a room.
func (s *society) history(c *testConn, room string) {
	s.settle()
	club := s.rooms[room]
	code, want := 0, 0
	switch {
	case club == nil:
		code = protocol.CodeNotFound
	case !club.members[c.user]:
		code = protocol.CodeForbidden
	case testPolicy.OfRoom(room) == nil:
		code = protocol.CodeNotFound
	default:
		want = min(club.said, 10)
	}
	s.world.note("%s asks for the history of %s", c.user, room)
	c.loop.ask(c, wire.VerbHistory, wire.RoomKey(room), data("room", room, "limit", 10, "reverse", true), func(reply gjson.Result, _ wire.Answer) {
		list := reply.Get("data.publications").Array()
		if int(reply.Get("data.code").Int()) != code || len(list) != want {
			s.Fatalf("the history of %s is %s, want code %d or %d messages", room, reply.Raw, code, want)
		}
		if want > 0 && int(list[0].Get("metadata.offset").Int()) != club.said {
			s.Fatalf("the history of %s is %s, want offset %d first", room, reply.Raw, club.said)
		}
	})
	s.settle()
}

func (c *club) joined() (list []string) {
	for user, in := range c.members {
		if in {
			list = append(list, user)
		}
	}
	slices.Sort(list)
	return list
}

// message sends something to a room: every connection of its members gets it, and nobody else.
func (s *society) message(c *testConn, room string) {
	s.settle()
	s.forgetFrames()
	club := s.rooms[room]
	n := s.next()
	s.world.note("%s says %d in %s", c.user, n, room)
	c.loop.publish(c, wire.RoomKey(room), "m"+strconv.Itoa(n), []byte(strconv.Itoa(n)), func(reply gjson.Result) {
		code := 0
		if club == nil {
			code = protocol.CodeNotFound
		} else if !club.members[c.user] {
			code = protocol.CodeForbidden
		}
		if int(reply.Get("data.code").Int()) != code {
			s.Fatalf("%s says %d in %s: %s, want code %d", c.user, n, room, reply.Raw, code)
		}
		if code == 0 && int(reply.Get("data.recipients").Int()) != club.count() {
			s.Fatalf("%s in %s: %s, want %d recipients", c.user, room, reply.Raw, club.count())
		}
		if code == 0 && testPolicy.OfRoom(room) != nil {
			if club.said++; int(reply.Get("data.offset").Int()) != club.said {
				s.Fatalf("%s in %s: %s, want offset %d", c.user, room, reply.Raw, club.said)
			}
		}
	})
	s.settle()
	for _, name := range slices.Sorted(maps.Keys(s.users)) {
		want := 0
		if club != nil && club.members[c.user] && club.members[name] {
			want = 1
		}
		for _, to := range s.users[name].conns {
			if got := to.frames("RoomMessage"); len(got) != want || want == 1 && (int(got[0].Get("payload").Int()) != n || got[0].Get("room").Str != room) {
				s.Fatalf("%s got %v of %d in %s, want %d", name, got, n, room, want)
			}
		}
	}
}
