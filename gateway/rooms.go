package gateway

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// roomRequest passes what changes a room to its owner, whose reply the client gets.
func (l *loop) roomRequest(c *conn, e *protocol.Envelope) {
	verb, room, err := readRoomRequest(e)
	if err != nil {
		l.bad(c, e.ID, err)
		return
	}
	enters := verb == wire.VerbCreateRoom || verb == wire.VerbJoinRoom
	if enters && strings.HasPrefix(room, "$") {
		l.sendError(c, e.ID, protocol.Error{Code: protocol.CodeForbidden, Message: "room: those that begin with $ are the system's"})
		return
	}
	key := wire.RoomKey(room)
	if enters && l.roomsFull(c, key) {
		l.sendError(c, e.ID, protocol.Error{
			Code: protocol.CodeTooMany, Message: fmt.Sprintf("a member of %d rooms, as many as allowed", l.gw.cfg.MaxRooms),
			Details: `{"limit":"` + limitRooms + `"}`,
		})
		return
	}
	l.ask(c, e, &l.presences, verb, key, enters)
}

// ask passes a message to the owner of the user, room or topic that it is about, whose Reply the client gets. pin is for
// those who enter a room: until the reply its entry stays. Were it given up meanwhile, for others here who left, its
// owner would hear that after it has noted this loop for the one who enters.
func (l *loop) ask(c *conn, e *protocol.Envelope, r *realm, verb wire.Verb, key string, pin bool) {
	hash := cluster.Hash(key)
	u, lane := l.wayTo(c, e, r, hash)
	if u == nil {
		return
	}
	o := op{kind: opReply, conn: c.slot, cgen: c.gen, to: u, need: 1, began: l.wheel.now, hash: hash}
	if pin {
		o.entry = l.presenceEntry(kindRoom, key)
		o.entry.pending++
	}
	ask := wire.Ask{
		Conn: l.ref(c), Op: l.ops.add(o, e.ID), Verb: verb, Key: key, User: c.user, ID: e.ID, Data: []byte(e.Data),
	}
	l.endRecord(u, lane, wire.AppendAsk(l.beginRecord(u, lane), &ask))
}

// roomsFull reports whether a user is a member of as many rooms as may be, this one not counted.
func (l *loop) roomsFull(c *conn, key string) bool {
	me := l.entries[wire.UserKey(c.user)]
	if me == nil || me.more == nil {
		return false
	}
	n := 0
	for _, m := range me.more.rooms {
		if m.room != nil && !m.over && m.key != key {
			n++
		}
	}
	return n >= l.gw.cfg.MaxRooms
}

// readRoomRequest checks a message's data, and says what it asks for and of which room. Its
// errors are worded for the client.
func readRoomRequest(e *protocol.Envelope) (verb wire.Verb, room string, err error) {
	var users []string
	switch e.Type {
	case protocol.TypeCreateRoom:
		var r protocol.CreateRoom
		err = r.Parse(e.Data)
		verb, room, users = wire.VerbCreateRoom, r.Room, r.Members
	case protocol.TypeJoinRoom:
		var r protocol.JoinRoom
		err = r.Parse(e.Data)
		verb, room = wire.VerbJoinRoom, r.Room
	case protocol.TypeAddMember, protocol.TypeRemoveMember:
		var r protocol.MemberChange
		err = r.Parse(e.Data)
		if verb = wire.VerbAddMember; e.Type == protocol.TypeRemoveMember {
			verb = wire.VerbRemoveMember
		}
		room, users = r.Room, []string{r.User}
	default:
		if verb = wire.VerbLeaveRoom; e.Type == protocol.TypeDeleteRoom {
			verb = wire.VerbDeleteRoom
		}
		room, err = protocol.ParseRoom(e.Data)
	}
	if err != nil {
		return 0, "", err
	}
	for _, user := range users {
		if auth.ValidateUser(user) != nil {
			if verb == wire.VerbCreateRoom {
				return 0, "", fmt.Errorf("members: %q: %w", user, errUser)
			}
			return 0, "", fmt.Errorf("user: %w", errUser)
		}
	}
	if err := topic.Validate(room); err != nil {
		return 0, "", fmt.Errorf("room: %w", err)
	}
	return verb, room, nil
}

// roomInfo asks a room's owner for one page of it, and then the owners of the members on it
// for their status.
func (l *loop) roomInfo(c *conn, e *protocol.Envelope) {
	var info protocol.RoomInfo
	err := info.Parse(e.Data)
	if err == nil {
		if bad := topic.Validate(info.Room); bad != nil {
			err = fmt.Errorf("room: %w", bad)
		}
	}
	if err != nil {
		l.bad(c, e.ID, err)
		return
	}
	key := wire.RoomKey(info.Room)
	r := l.newRequest(c, e.ID, "", []string{key})
	r.reply = (*loop).replyRoom
	r.answers = make([][]byte, 1)
	l.askFor(c, r, 0, wire.VerbRoomInfo, nil, []byte(e.Data))
	l.settle(c, r)
}

// decodePage reads what a room's owner answers to a RoomInfo: the description of the room, raw JSON, the names of
// some members, and where the next page begins, empty for nowhere.
func decodePage(body []byte) (description []byte, members []string, next string, err error) {
	var parts [][]byte
	for len(body) >= 4 {
		n := binary.LittleEndian.Uint32(body)
		if uint64(n) > uint64(len(body)-4) {
			break
		}
		parts = append(parts, body[4:4+n])
		body = body[4+n:]
	}
	if len(body) > 0 || len(parts) < 2 {
		return nil, nil, "", errors.New("malformed page")
	}
	for _, p := range parts[2:] {
		members = append(members, string(p))
	}
	return parts[0], members, string(parts[1]), nil
}

// turnPage goes on with a RoomInfo when the page is here: its members' status is asked for.
func (l *loop) turnPage(c *conn, r *request, body []byte) {
	description, members, next, err := decodePage(body)
	if err != nil {
		r.outcome[0] = rejection{
			Name: wire.Name(r.topics[0]), Code: protocol.CodeInternal, Message: "the room's owner answered what cannot be read",
		}
		return
	}
	r.answers[0], r.next = append([]byte(nil), description...), next
	for _, user := range members {
		r.topics = append(r.topics, user)
		r.hashes = append(r.hashes, cluster.Hash(wire.UserKey(user)))
		r.outcome = append(r.outcome, rejection{})
		r.answers = append(r.answers, nil)
	}
	r.need++ // while they are being asked for
	for i := range members {
		l.askFor(c, r, i+1, wire.VerbGetStatus, nil, nil)
	}
	r.need--
}

func (l *loop) replyRoom(c *conn, r *request) {
	for _, o := range r.outcome {
		if o.Code != 0 {
			l.sendError(c, r.id, errorOf(o))
			return
		}
	}
	members := make([][]byte, 0, len(r.topics)-1)
	for i, user := range r.topics[1:] {
		members = append(members, protocol.AppendRoomMember(nil, user, string(r.answers[i+1])))
	}
	var frame []byte
	l.arena, frame = protocol.AppendRoom(l.arena, r.id, r.answers[0], members, r.next)
	l.push(c, frame)
}

// errorOf is the Error for one part of a request that failed.
func errorOf(o rejection) protocol.Error {
	e := protocol.Error{Code: o.Code, Message: o.Message}
	if o.Code == protocol.CodeUnavailable {
		e.Details = retryLater
	}
	return e
}
