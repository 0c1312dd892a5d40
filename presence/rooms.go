package presence

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"unsafe"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
	"github.com/realtime-cluster/realtime/presence/durable"
)

// retryMS is after how many milliseconds a client is asked to try again.
const retryMS = 1000

const codeUnavailable = uint16(protocol.CodeUnavailable)

// away is what a client is told when something that its request needs cannot be reached.
var away = &refusal{protocol.CodeUnavailable, "a part of the service is away: send again"}

// queueFull refuses a direct message for which a user's queue has no room.
var queueFull = &refusal{protocol.CodeTooMany, "target_user: away, and its queue is full"}

// text is bytes as a string, for as long as they stay as they are.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// deal deals with a record about a room that is known.
func (r *registry) deal(h *hall, from owner.Source, rec wire.Record) {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		if p.Decode(rec.Body) == nil {
			r.roomMessage(h, from, &p)
		}
	case wire.KindJoin:
		var i wire.Interest
		if i.Decode(rec.Body) == nil {
			r.listen(h, from, &i)
		}
	case wire.KindFetch:
		var f wire.Fetch
		if f.Decode(rec.Body) == nil {
			r.fetch(h, from, &f)
		}
	case wire.KindLeave:
		h.interest.Remove(from.Gateway, 1<<from.Loop)
	case wire.KindAsk:
		var a wire.Ask
		if a.Decode(rec.Body) != nil {
			return
		}
		if no := r.askRoom(h, from, &a, rec); no != nil {
			r.refuseAsk(from, &a, no)
		}
	}
}

// listen notes that a gateway loop has members' connections.
func (r *registry) listen(h *hall, from owner.Source, i *wire.Interest) {
	if h.state != hallOpen {
		r.done(from, i.Op, protocol.CodeNotFound)
		return
	}
	if h.rule != nil {
		r.listenStored(h, from, i)
		return
	}
	r.hears(h, from)
	r.done(from, i.Op, 0)
}

// hears notes that what is said in a room goes to a loop.
func (r *registry) hears(h *hall, from owner.Source) {
	if r.lane.Alive(from.Gateway) && h.interest.Add(from.Gateway, from.Loop) {
		r.depositRoom(h, from.Gateway, 1<<from.Loop)
	}
}

// roomMessage gives a message its place in the room's order.
func (r *registry) roomMessage(h *hall, from owner.Source, p *wire.Publish) {
	switch {
	case h.state != hallOpen:
		r.refuseWith(from, p.Op, p.Conn, p.ID, noRoom)
		return
	case !h.isMember(p.User):
		r.refuseWith(from, p.Op, p.Conn, p.ID, notMember)
		return
	}
	if !r.rules.Apply(from, p) {
		return
	}
	r.metrics.messages.Inc()
	if h.rule != nil {
		r.store(h, from, p)
		return
	}
	id := r.lane.MessageID(p.ID)
	var frame []byte
	r.frame, frame = protocol.AppendRoomMessage(r.frame[:0], &protocol.Publication{
		Topic: h.name(), Payload: p.Payload, User: p.User, MessageID: id, SentAt: p.SentAt / 1000, Metadata: p.Metadata,
	})
	r.fanout.Touch(&h.interest)
	r.deliver(h.key, p.SentAt, frame, nil)
	if p.ID != "" {
		var ack []byte
		r.frame, ack = protocol.AppendRoomAck(r.frame[:0], p.ID, id, h.name(), h.count)
		r.reply(from, p.Op, p.Conn, ack)
	}
}

// refuseMessage answers a direct or room message that was not dealt with.
func (r *registry) refuseMessage(from owner.Source, p *wire.Publish, no *refusal) {
	if wire.IsUser(p.Topic) {
		r.notQueued(from, p, no)
	} else {
		r.refuseWith(from, p.Op, p.Conn, p.ID, no)
	}
}

// refuseWith answers a message with an Error.
func (r *registry) refuseWith(to owner.Source, op uint64, conn wire.Conn, id string, no *refusal) {
	e := protocol.Error{Code: no.code, Message: no.message}
	if no.code == protocol.CodeUnavailable {
		e.Details = protocol.RetryAfter(retryMS)
	}
	var frame []byte
	r.frame, frame = protocol.AppendError(r.frame[:0], id, e)
	r.reply(to, op, conn, frame)
}

// askRoom deals with a client's request about a room. It returns why it was not granted, nil when
// it was, or will be answered later.
func (r *registry) askRoom(h *hall, from owner.Source, a *wire.Ask, rec wire.Record) *refusal {
	switch a.Verb {
	case wire.VerbCreateRoom:
		return r.create(h, from, a, rec)
	case wire.VerbJoinRoom:
		return r.join(h, from, a, rec)
	}
	if h.state != hallOpen {
		return noRoom
	}
	switch a.Verb {
	case wire.VerbLeaveRoom:
		if !h.isMember(a.User) {
			return notJoined
		}
		r.takeOut(h, from, a, rec, a.User, protocol.RoomLeft, "left")
	case wire.VerbAddMember, wire.VerbRemoveMember:
		var c protocol.MemberChange
		if err := c.Parse(text(a.Data)); err != nil {
			return refuse(protocol.CodeBadRequest, "%v", err)
		}
		if a.Verb == wire.VerbAddMember {
			return r.add(h, from, a, rec, c.User)
		}
		if no := h.mayRemove(a.User, c.User); no != nil {
			return no
		}
		r.takeOut(h, from, a, rec, c.User, protocol.RoomRemoved, "member_removed")
	case wire.VerbDeleteRoom:
		if a.User != h.owner {
			return notOwner
		}
		r.delete(h, from, a, rec)
	case wire.VerbRoomInfo:
		return r.info(h, from, a)
	case wire.VerbHistory:
		return r.query(h, from, a)
	}
	return nil
}

// create makes a room, with the one who asks for it as its owner and first member.
func (r *registry) create(h *hall, from owner.Source, a *wire.Ask, rec wire.Record) *refusal {
	if h.state == hallOpen {
		return roomThere
	}
	var c protocol.CreateRoom
	if err := c.Parse(text(a.Data)); err != nil {
		return refuse(protocol.CodeBadRequest, "%v", err)
	}
	switch {
	case c.Capacity > r.cfg.MaxRoomMembers:
		return refuse(protocol.CodeBadRequest, "capacity: more than the %d members that a room may have", r.cfg.MaxRoomMembers)
	case c.Capacity > 0 && len(c.Members) >= c.Capacity+1:
		return refuse(protocol.CodeBadRequest, "members: more than capacity")
	case c.Durable && r.cfg.Durable == nil:
		return away
	}
	now := r.lane.Now()
	next := room{
		key: h.key, told: h.told, version: h.version,
		owner: string([]byte(a.User)), private: c.Private, durable: c.Durable, capacity: c.Capacity,
		metadata: string([]byte(c.Metadata)), created: r.begins(),
	}
	version := next.next(now)
	next.set(next.owner, member{joined: true, version: version})
	for _, user := range c.Members {
		if user != next.owner {
			next.set(user, member{joined: true, version: version})
		}
	}
	if no := next.overfull(r.cfg.MaxRoomMembers); no != nil {
		return no
	}
	h.durable = c.Durable
	image, ask := next.image(), keepAsk(a)
	r.commit(h, from, rec, func(ctx context.Context) (uint64, error) {
		for user := range image.Members {
			if err := r.cfg.Durable.AddUserRoom(ctx, user, image.Name); err != nil {
				return 0, err
			}
		}
		err := r.cfg.Durable.Create(ctx, image)
		return image.Revision, err
	}, func() {
		next.interest, next.events = h.interest, h.events
		h.room, h.state, h.revision = next, hallOpen, image.Revision
		r.entered(h, from, ask, version)
		var added []string
		h.members.Scan(func(name string, m member) bool {
			tell := protocol.RoomJoined
			if name == h.owner {
				tell = ""
			} else {
				added = append(added, name)
			}
			r.tellChange(h, name, tell, name, &wire.Member{Version: m.version})
			return true
		})
		details := h.details(nil)
		r.admit(h, ask.User, added, func() { r.status(from, ask, "room_created", details) })
	})
	return nil
}

// overfull refuses a room that begins with more members than it may have.
func (r *room) overfull(most int) *refusal {
	if r.count > r.limit(most) {
		return refuse(protocol.CodeBadRequest, "members: %d with the owner, more than capacity", r.count)
	}
	return nil
}

// image is the room as JetStream keeps it.
func (r *room) image() *durable.Room {
	d := &durable.Room{
		Name: r.name(), Owner: r.owner, Private: r.private, Capacity: r.capacity, Metadata: []byte(r.metadata),
		CreatedAt: r.created, Members: make(map[string]durable.Member),
	}
	r.members.Scan(func(name string, m member) bool {
		d.Members[name] = durable.Member{Joined: m.joined, Version: m.version}
		return true
	})
	return d
}

// entered has the loop of the one who entered send it what is said in the room, from here on.
func (r *registry) entered(h *hall, from owner.Source, a *wire.Ask, version uint64) {
	if !r.lane.Alive(from.Gateway) {
		return
	}
	fresh := h.interest.Add(from.Gateway, from.Loop)
	r.lane.End(from.Gateway, wire.AppendEnter(r.lane.Begin(from.Gateway), &wire.Enter{
		Loops: 1 << from.Loop, Noted: true, Version: version, User: wire.UserKey(a.User), Room: h.key,
	}))
	if fresh {
		r.depositRoom(h, from.Gateway, 1<<from.Loop)
		r.place(h, from)
	}
}

// join lets a user in.
func (r *registry) join(h *hall, from owner.Source, a *wire.Ask, rec wire.Record) *refusal {
	var j protocol.JoinRoom
	if err := j.Parse(text(a.Data)); err != nil {
		return refuse(protocol.CodeBadRequest, "%v", err)
	}
	user := string([]byte(a.User))
	if h.state != hallOpen {
		if !j.Create {
			return noRoom
		}
		next := room{key: h.key, told: h.told, version: h.version, owner: user, created: r.begins(), interest: h.interest}
		h.room, h.state = next, hallOpen
	}
	if no := h.mayJoin(user, r.cfg.MaxRoomMembers); no != nil {
		return no
	}
	joined := func() {
		r.status(from, a, "joined", h.details(nil))
	}
	if m, _ := h.members.Get(user); m.joined {
		r.entered(h, from, a, m.version)
		r.tellUser(h, wire.UserKey(user), &wire.Member{Version: m.version})
		joined()
		return nil
	}
	m := member{joined: true, version: h.next(r.lane.Now())}
	ask := keepAsk(a)
	r.commit(h, from, rec, r.put(h, user, m), func() {
		a = ask
		h.set(user, m)
		r.entered(h, from, a, m.version)
		r.tellUser(h, wire.UserKey(user), &wire.Member{Version: m.version})
		joined()
		r.event(h, protocol.RoomJoined, user, from, a.Conn)
	})
	return nil
}

// keepAsk copies what aliases a batch, but for the data.
func keepAsk(a *wire.Ask) *wire.Ask {
	c := *a
	c.Key, c.User, c.ID, c.Data = "", string([]byte(a.User)), string([]byte(a.ID)), nil
	return &c
}

// put writes a member of a durable room. That the room is one of the user's is written first: should this node die
// in between, the room's next owner knows better.
func (r *registry) put(h *hall, user string, m member) func(context.Context) (uint64, error) {
	name, revision := h.name(), h.revision
	return func(ctx context.Context) (uint64, error) {
		if err := r.cfg.Durable.AddUserRoom(ctx, user, name); err != nil {
			return 0, err
		}
		return r.cfg.Durable.Put(ctx, name, revision, user, durable.Member{Joined: m.joined, Version: m.version})
	}
}

// add makes another user a member.
func (r *registry) add(h *hall, from owner.Source, a *wire.Ask, rec wire.Record, user string) *refusal {
	user = string([]byte(user))
	if no := h.mayAdd(a.User, user, r.cfg.MaxRoomMembers); no != nil {
		return no
	}
	if h.isMember(user) {
		r.status(from, a, "member_added", h.details(&user))
		return nil
	}
	m := member{joined: true, version: h.next(r.lane.Now())}
	ask := keepAsk(a)
	r.commit(h, from, rec, r.put(h, user, m), func() {
		h.set(user, m)
		r.tellChange(h, user, protocol.RoomJoined, user, &wire.Member{Version: m.version})
		r.event(h, protocol.RoomJoined, user, owner.Source{}, wire.Conn{})
		details := h.details(&user)
		r.admit(h, ask.User, []string{user}, func() { r.status(from, ask, "member_added", details) })
	})
	return nil
}

// takeOut ends a membership, or an invitation.
func (r *registry) takeOut(h *hall, from owner.Source, a *wire.Ask, rec wire.Record, user, event, status string) {
	user = string([]byte(user))
	stay := event == protocol.RoomLeft
	version := h.next(r.lane.Now())
	ask := keepAsk(a)
	name, revision, keeps := h.name(), h.revision, stay && h.private && h.invited < maxInvited
	r.commit(h, from, rec, func(ctx context.Context) (uint64, error) {
		if keeps {
			return r.cfg.Durable.Put(ctx, name, revision, user, durable.Member{Version: version})
		}
		return r.cfg.Durable.Drop(ctx, name, revision, user)
	}, func() {
		r.out(h, user, version, event, from, ask)
		details := h.details(nil)
		if event == protocol.RoomRemoved {
			details = h.details(&user)
		}
		r.status(from, ask, status, details)
	})
}

// out takes a user out of a room, and tells everyone; with its last member a room ends that is not durable. a is the request for it, nil for none.
func (r *registry) out(h *hall, user string, version uint64, event string, from owner.Source, a *wire.Ask) {
	was := h.isMember(user)
	h.remove(user, version, event == protocol.RoomLeft)
	if h.private {
		r.fanout.Touch(&h.interest)
		r.fanout.Send(func(g *owner.Gateway, loops uint64) { r.depositRoom(h, g, loops) })
	}
	if !was {
		return
	}
	if event == protocol.RoomLeft && a != nil {
		r.event(h, event, user, from, a.Conn)
	} else {
		r.event(h, event, user, owner.Source{}, wire.Conn{})
	}
	r.dismiss(h, wire.UserKey(user), version)
	tell := ""
	if event == protocol.RoomRemoved {
		tell = event
	}
	r.tellChange(h, user, tell, user, &wire.Member{Version: version, Out: true})
	if h.count == 0 && !h.durable {
		r.ended(h) // with its last member
	}
}

// dismiss has the gateway loops take a user, or with none everyone, out of a room: what is said in it from here on is
// not for them, though their own owners' word comes later.
func (r *registry) dismiss(h *hall, user string, version uint64) {
	r.fanout.Touch(&h.interest)
	r.fanout.Send(func(g *owner.Gateway, loops uint64) {
		r.lane.End(g, wire.AppendEnter(r.lane.Begin(g), &wire.Enter{
			Loops: loops, Out: true, Noted: true, Version: version, User: user, Room: h.key,
		}))
	})
}

// askedToLeave takes a member out whom its owner has not seen for ROOM_GRACE, or who is a member of too
// many rooms already. h is nil where the room is not known.
func (r *registry) askedToLeave(h *hall, m *wire.Member) {
	user := wire.Name(m.Other)
	if h == nil {
		none := &hall{}
		none.key = m.Key
		r.tellUser(none, m.Other, &wire.Member{Version: max(m.Version, uint64(r.lane.Now().UnixMicro())), Out: true})
		return
	}
	in, known := h.members.Get(user)
	switch {
	case !known || !in.joined:
		r.tellUser(h, m.Other, &wire.Member{Version: h.next(r.lane.Now()), Out: true})
	case h.durable || in.version > m.Version: // which its owner did not know
		r.tellUser(h, m.Other, &wire.Member{Version: in.version})
	default:
		r.out(h, string([]byte(user)), h.next(r.lane.Now()), protocol.RoomLeft, owner.Source{}, nil)
		r.endIfNone(h)
	}
}

// delete ends a room.
func (r *registry) delete(h *hall, from owner.Source, a *wire.Ask, rec wire.Record) {
	name, revision := h.name(), h.revision
	ask := keepAsk(a)
	r.commit(h, from, rec, func(ctx context.Context) (uint64, error) {
		return 0, r.cfg.Durable.Delete(ctx, name, revision)
	}, func() {
		version := h.next(r.lane.Now())
		h.members.Scan(func(user string, m member) bool {
			if m.joined {
				r.tellChange(h, user, protocol.RoomDeleted, ask.User, &wire.Member{Version: version, Out: true})
			}
			return true
		})
		r.dismiss(h, "", version)
		details, _ := json.Marshal(map[string]string{"room": h.name()}) // a string cannot fail
		r.status(from, ask, "room_deleted", details)
		delete(r.large, h)
		h.room = room{key: h.key, told: h.told, version: version, created: h.created}
		r.ended(h)
	})
}

// details are those of a Status about a room, and about a user where it is not nil.
func (r *room) details(user *string) []byte {
	d := struct {
		Room    string  `json:"room"`
		User    *string `json:"user_id,omitempty"`
		Members int     `json:"member_count"`
		Owner   string  `json:"owner"`
	}{r.name(), user, r.count, r.owner}
	b, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("encode %+v: %v", d, err)) // strings and a number
	}
	return b
}

// info answers with one page of a room; the gateway adds the members' status.
func (r *registry) info(h *hall, from owner.Source, a *wire.Ask) *refusal {
	var i protocol.RoomInfo
	if err := i.Parse(text(a.Data)); err != nil {
		return refuse(protocol.CodeBadRequest, "%v", err)
	}
	if h.private && !h.isMember(a.User) && a.User != h.owner {
		return notMember
	}
	names, next := h.page(i.After, i.Limit)
	d := h.describe()
	body := appendPart(nil, protocol.AppendRoomHead(nil, &d))
	body = appendPart(body, []byte(next))
	for _, name := range names {
		body = appendPart(body, []byte(name))
	}
	r.answer(from, &wire.Answer{Op: a.Op, Body: body})
	return nil
}

func appendPart(b, part []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(part))), part...)
}
