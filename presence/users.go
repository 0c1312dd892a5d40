package presence

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
	"github.com/realtime-cluster/realtime/presence/durable"
)

// present takes how many connections of a user a gateway loop has now.
func (r *registry) present(from owner.Source, p *wire.Present) {
	u := r.user(p.Key)
	was := u.connections() > 0
	at := place{from.Gateway, from.Loop}
	known := u.has(at)
	r.set(u, at, p.Count)
	if !known && p.Count > 0 {
		u.stamp(at, uint32(r.lane.Now().Unix()))
		r.tellRooms(u, at, nil)
		r.deposit(u, at)
	}
	r.changed(u, was)
	if p.Op == 0 {
		return
	}
	begins := append(u.greets(), greet{place: at, conn: p.Conn, op: p.Op, total: uint32(u.connections())})
	u.begins = &begins
	if !u.loaded && r.cfg.Durable != nil {
		r.loadRooms(u)
		return
	}
	r.greet(u)
}

// told takes the same from a gateway loop to which this owner is new, with what former
// owners deposited there.
func (r *registry) told(from owner.Source, view uint64, p *wire.Present) {
	u := r.user(p.Key)
	u.told = view
	was := u.connections() > 0
	at := place{from.Gateway, from.Loop}
	r.hear(u, p.State)
	r.set(u, at, p.Count)
	if u.mood != nil && p.State.Version < u.mood.version {
		r.deposit(u, at)
	}
	for _, room := range p.Rooms {
		if j, ok := u.rooms[room.Name]; !ok || j.version < room.Version {
			r.claim(u, room.Name, joined{version: room.Version})
		}
	}
	r.tellRooms(u, at, p.Rooms)
	r.changed(u, was)
	if p.Unmet && !u.loaded && u.connections() > 0 && r.cfg.Durable != nil {
		r.loadRooms(u)
	}
}

// user finds or begins a user's record.
func (r *registry) user(key string) *user {
	n := len(r.users)
	u := r.ensure(key)
	if len(r.users) > n {
		u.told = r.lane.View()
	}
	return u
}

// changed goes on where a user may have come or gone; was says whether it had connections before.
func (r *registry) changed(u *user, was bool) {
	switch {
	case !was && u.connections() > 0:
		r.note(u)
		r.arrived(u)
	case was && u.connections() == 0:
		r.left(u)
	}
	r.spread(u)
	r.show(u)
	r.tidy(u)
}

// note has it remembered that a user who came or went was seen by others, unless it hides.
func (r *registry) note(u *user) {
	if !u.hides() {
		r.seenNow(u)
	}
}

// seenNow has it remembered that a user was seen by others until now.
func (r *registry) seenNow(u *user) {
	u.seen = r.lane.Now().UnixMilli()
	switch {
	case r.cfg.Seen == nil:
	case u.connections() > 0:
		r.cfg.Seen.Here(u.name(), u.seen)
	default:
		r.cfg.Seen.Note(u.name(), u.seen)
	}
}

// tidy forgets a user of whom nothing is worth keeping.
func (r *registry) tidy(u *user) {
	if u.idle() && r.users[u.key] == u {
		r.drop(u)
		delete(r.unshown, u)
	}
}

// giveUp forgets a user who belongs to another owner now.
func (r *registry) giveUp(u *user) {
	r.drop(u)
	delete(r.unshown, u)
	for _, g := range u.greets() {
		r.answer(owner.Source{Gateway: g.gateway, Loop: g.loop}, &wire.Answer{Op: g.op, Code: codeUnavailable})
	}
	if u.box != nil {
		r.refuseHeld(u)
	}
}

// forgetPlace drops the users that a gateway loop told: it tells them again.
func (r *registry) forgetPlace(at place) {
	for _, u := range r.forget(func(p place) bool { return p == at }) {
		r.unshown[u] = struct{}{}
		if s := r.sharings[u.key]; s != nil {
			r.unsettled[u.key] = s
		}
		if u.connections() == 0 {
			r.left(u)
		}
	}
}

// greet answers the connections that begin: the memberships went to their loops before.
func (r *registry) greet(u *user) {
	greets := u.greets()
	u.begins = nil
	for _, g := range greets {
		r.answer(owner.Source{Gateway: g.gateway, Loop: g.loop}, &wire.Answer{Op: g.op, Body: binary.LittleEndian.AppendUint32(r.scratch[:0], g.total)})
		r.opened(u, g)
	}
	r.goOn(u)
	r.tidy(u)
}

// loadRooms finds out of which durable rooms a user is a member.
func (r *registry) loadRooms(u *user) {
	if u.loading {
		return
	}
	u.loading = true
	r.userRooms.ask(u.name(), func(list durable.List, err error) {
		u.loading = false
		if r.users[u.key] != u {
			return
		}
		err = cmp.Or(err, list.Err)
		if u.loaded = err == nil; !u.loaded {
			r.absent.later(u, r.lane.Now().Add(retryTime))
		}
		for _, room := range list.Rooms {
			if key := wire.RoomKey(room); u.rooms[key].version == 0 {
				r.claim(u, key, joined{durable: true})
				r.enter(u, key, u.rooms[key].version)
			}
		}
		r.greet(u)
	})
}

// askUser deals with a request about a user.
func (r *registry) askUser(from owner.Source, a *wire.Ask) {
	switch a.Verb {
	case wire.VerbSetPresence:
		r.setPresence(from, a)
	case wire.VerbGetPresence:
		r.whenSeen(from, a, func(a *wire.Ask, seen int64) { r.getPresence(from, a, seen) })
	case wire.VerbGetStatus:
		p := r.look(a)
		r.answer(from, &wire.Answer{Op: a.Op, Body: []byte(p.Status)})
	case wire.VerbWatch:
		r.whenSeen(from, a, func(a *wire.Ask, seen int64) { r.watch(from, a, seen) })
	case wire.VerbUnwatch:
		r.whenSeen(from, a, func(a *wire.Ask, _ int64) { r.answer(from, &wire.Answer{Op: a.Op}) })
	}
}

// look is how a user looks to the one who asks.
func (r *registry) look(a *wire.Ask) protocol.UserPresence {
	now := r.lane.Now().UnixMilli()
	u := r.users[a.Key]
	switch {
	case u == nil:
		return protocol.UserPresence{User: wire.Name(a.Key), Status: protocol.StatusOffline}
	case a.User == u.name():
		return u.own(now)
	}
	return u.public(now)
}

// whenSeen has a request about a user dealt with, with the time at which the user was last seen where that is
// not known here: Redis is asked then, and what comes meanwhile about the same user waits behind it.
func (r *registry) whenSeen(from owner.Source, a *wire.Ask, deal func(*wire.Ask, int64)) {
	if r.cfg.Seen == nil || r.asked[a.Key] == 0 && (a.Verb == wire.VerbUnwatch || r.look(a).LastSeen != 0) {
		deal(a, 0)
		return
	}
	key := string([]byte(a.Key))
	ask := keepAsk(a)
	ask.Key = key
	r.asked[key]++
	r.lastSeen.ask(wire.Name(key), func(at int64, _ error) {
		if r.asked[key]--; r.asked[key] <= 0 {
			delete(r.asked, key)
		}
		if r.lane.Owns(key) && r.lane.Alive(from.Gateway) {
			deal(ask, at)
		} else {
			r.refuseAsk(from, ask, away)
		}
	})
}

func (r *registry) getPresence(from owner.Source, a *wire.Ask, seen int64) {
	p := r.look(a)
	if p.LastSeen == 0 {
		p.LastSeen = seen
	}
	r.answer(from, &wire.Answer{Op: a.Op, Body: protocol.AppendUserPresence(nil, &p)})
}

func (r *registry) setPresence(from owner.Source, a *wire.Ask) {
	var s protocol.SetPresence
	if err := s.Parse(text(a.Data)); err != nil {
		r.refuseAsk(from, a, refuse(protocol.CodeBadRequest, "%v", err))
		return
	}
	u := r.user(a.Key)
	m := &mood{
		version: uint64(r.lane.Now().UnixMicro()), status: s.Status,
		message: string([]byte(s.Message)), metadata: string([]byte(s.Metadata)),
	}
	was := u.visible()
	if u.mood != nil {
		m.version = max(m.version, u.mood.version+1)
	}
	u.mood = m
	if was && !u.visible() {
		r.seenNow(u)
	}
	for _, s := range u.spots {
		r.deposit(u, s.place)
	}
	details, _ := json.Marshal(map[string]string{"status": m.status}) // a string cannot fail
	r.status(from, a, "presence_set", details)
	r.show(u)
	if u.connections() == 0 {
		r.goneAway(u)
	}
}

// status answers a request with a Status.
func (r *registry) status(to owner.Source, a *wire.Ask, status string, details []byte) {
	var frame []byte
	r.frame, frame = protocol.AppendStatus(r.frame[:0], a.ID, status, details)
	r.reply(to, a.Op, a.Conn, frame)
}

// refuseAsk answers a request that was not granted.
func (r *registry) refuseAsk(to owner.Source, a *wire.Ask, no *refusal) {
	switch a.Verb {
	case wire.VerbGetPresence, wire.VerbGetStatus, wire.VerbWatch, wire.VerbUnwatch, wire.VerbRoomInfo:
		r.answer(to, &wire.Answer{Op: a.Op, Code: uint16(no.code), Body: []byte(no.message)})
		return
	}
	r.refuseWith(to, a.Op, a.Conn, a.ID, no)
}

// deposit gives a place the user's mood for the next owner.
func (r *registry) deposit(u *user, at place) {
	if u.mood != nil {
		r.lane.End(at.gateway, wire.AppendDeposit(r.lane.Begin(at.gateway), &wire.Deposit{
			Loops: 1 << at.loop, Key: u.key, State: u.mood.encode(),
		}))
	}
}

// hear keeps the newest of what an earlier owner deposited. Places that told before may not have it.
func (r *registry) hear(u *user, s wire.State) {
	m := decodeMood(s)
	if m == nil || u.mood != nil && u.mood.version >= m.version {
		return
	}
	u.mood = m
	for _, s := range u.spots {
		r.deposit(u, s.place)
	}
}

// moodText is how a mood is deposited.
type moodText struct {
	Status   string `json:"s"`
	Message  string `json:"m,omitempty"`
	Metadata string `json:"d,omitempty"`
}

func (m *mood) encode() wire.State {
	body, _ := json.Marshal(moodText{m.status, m.message, m.metadata}) // strings cannot fail
	return wire.State{Version: m.version, Body: body}
}

func decodeMood(s wire.State) *mood {
	var t moodText
	if s.Version == 0 || json.NewDecoder(bytes.NewReader(s.Body)).Decode(&t) != nil {
		return nil
	}
	return &mood{version: s.Version, status: t.Status, message: t.Message, metadata: t.Metadata}
}

// retryTime is after how long a call that failed is made again.
const retryTime = 2 * time.Second
