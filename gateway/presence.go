package gateway

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// setPresence passes what a user says of itself to its owner.
func (l *loop) setPresence(c *conn, e *protocol.Envelope) {
	var s protocol.SetPresence
	if err := s.Parse(e.Data); err != nil {
		l.bad(c, e.ID, err)
		return
	}
	l.ask(c, e, &l.presences, wire.VerbSetPresence, wire.UserKey(c.user), false)
}

// getPresence asks the owner of each user.
func (l *loop) getPresence(c *conn, e *protocol.Envelope) {
	r := l.userRequest(c, e, "")
	if r == nil {
		return
	}
	r.reply = (*loop).replyPresence
	for i := range r.topics {
		l.askFor(c, r, i, wire.VerbGetPresence, nil, nil)
	}
	l.settle(c, r)
}

// watchPresence has the owner of each user tell this loop of changes. As with topics, the answer
// is a barrier: what changes after it follows.
func (l *loop) watchPresence(c *conn, e *protocol.Envelope) {
	r := l.userRequest(c, e, "presence_watched")
	if r == nil {
		return
	}
	r.reply = (*loop).replyWatch
	watched := watches(c)
	for i, user := range r.topics {
		key := wire.WatchKey(user)
		if known := l.entries[key]; known == nil || !subscribed(c, known) {
			if watched++; watched > l.gw.cfg.MaxWatched {
				r.outcome[i] = rejection{
					user, protocol.CodeTooMany, fmt.Sprintf("over %d users watched on this connection", l.gw.cfg.MaxWatched), limitWatched,
				}
				continue
			}
		}
		w := l.presenceEntry(kindWatch, key)
		w.joined = true
		l.askFor(c, r, i, wire.VerbWatch, w, nil)
	}
	l.settle(c, r)
}

// watches counts the users that a connection watches, or is about to.
func watches(c *conn) int {
	n := int(c.watching)
	for _, s := range c.subs {
		if s.entry.kind == kindWatch {
			n++
		}
	}
	return n
}

// unwatchPresence takes effect when the owner has dealt with what came before it.
func (l *loop) unwatchPresence(c *conn, e *protocol.Envelope) {
	r := l.userRequest(c, e, "presence_unwatched")
	if r == nil {
		return
	}
	r.reply = (*loop).replyWatch
	for i, user := range r.topics {
		l.askFor(c, r, i, wire.VerbUnwatch, l.presenceEntry(kindWatch, wire.WatchKey(user)), nil)
	}
	l.settle(c, r)
}

// userRequest begins a request about users; nil when the message is bad, and answered.
func (l *loop) userRequest(c *conn, e *protocol.Envelope, status string) *request {
	users, err := protocol.ParseUsers(e.Data)
	if err == nil {
		for _, user := range users {
			if auth.ValidateUser(user) != nil {
				err = fmt.Errorf("users: %q: %w", user, errUser)
				break
			}
		}
	}
	if err != nil {
		l.bad(c, e.ID, err)
		return nil
	}
	users = distinct(users)
	r := l.newRequest(c, e.ID, status, users)
	r.answers = make([][]byte, len(users))
	for i, user := range users {
		r.hashes[i] = cluster.Hash(wire.UserKey(user))
	}
	return r
}

// distinct leaves the first of each, in their order.
func distinct(names []string) []string {
	kept := names[:0]
	for _, name := range names {
		if !slices.Contains(kept, name) {
			kept = append(kept, name)
		}
	}
	return kept
}

// askFor begins the op for one part of a request. w is the entry that the answer changes; nil for none.
func (l *loop) askFor(c *conn, r *request, i int, verb wire.Verb, w *entry, data []byte) {
	r.need++
	if w != nil {
		w.pending++
	}
	if verb == wire.VerbWatch {
		c.watching++
	}
	l.send(l.ops.add(op{
		kind: opAnswer, conn: r.slot, cgen: r.gen, began: l.wheel.now, req: r, topic: i, entry: w, verb: verb, data: data, hash: r.hashes[i],
	}, ""))
}

// sendAsk sends the record of an opAnswer.
func (l *loop) sendAsk(h uint64, o *op) {
	u, lane := l.presences.ownerOf(o.hash)
	if u == nil || !l.reachable(u.outs[lane]) {
		return
	}
	o.need, o.to = 1, u
	key := o.req.topics[o.topic]
	if o.verb != wire.VerbRoomInfo {
		key = wire.UserKey(key)
	}
	if o.verb == wire.VerbWatch {
		o.entry.owner = u
	}
	ask := wire.Ask{Conn: wire.Conn{Loop: uint8(l.index), Slot: o.conn, Gen: o.cgen}, Op: h, Verb: o.verb, Key: key, Data: o.data}
	if c := l.conns.get(o.conn, o.cgen); c != nil {
		ask.User = c.user
	}
	l.endRecord(u, lane, wire.AppendAsk(l.beginRecord(u, lane), &ask))
}

// answered takes an owner's Answer.
func (l *loop) answered(a *wire.Answer) {
	switch o := l.ops.find(a.Op); {
	case o == nil:
	case o.kind == opGreet:
		l.greeted(a.Op, a)
	case o.kind == opAnswer:
		l.answerPart(a.Op, a)
	}
}

// answerPart lets a part of a request take effect, and replies when it was the last.
func (l *loop) answerPart(h uint64, a *wire.Answer) {
	o := l.ops.find(h)
	r, i, verb, w := o.req, o.topic, o.verb, o.entry
	l.ops.end(h)
	c := l.conns.get(r.slot, r.gen)
	switch {
	case a.Code == protocol.CodeUnavailable && len(a.Body) == 0:
		r.outcome[i] = rejection{Name: r.name(i), Code: int(a.Code), Message: ownerAway}
	case a.Code != 0:
		r.outcome[i] = rejection{Name: r.name(i), Code: int(a.Code), Message: string(a.Body)}
	default:
		r.answers[i] = append([]byte(nil), a.Body...)
	}
	if c != nil && verb == wire.VerbWatch {
		c.watching--
	}
	if c != nil && c.state == stateOpen && a.Code == 0 {
		switch verb {
		case wire.VerbWatch:
			w.extra().state.Version = a.State
			l.enroll(c, w)
		case wire.VerbUnwatch:
			l.withdraw(c, w)
		case wire.VerbRoomInfo:
			l.turnPage(c, r, a.Body)
		}
	}
	l.unpin(w)
	l.settle(c, r)
}

// name is what a client calls a part of a request.
func (r *request) name(i int) string {
	if wire.IsRoom(r.topics[i]) {
		return wire.Name(r.topics[i])
	}
	return r.topics[i]
}

func (l *loop) replyPresence(c *conn, r *request) {
	for _, o := range r.outcome {
		if o.Code != 0 {
			l.sendError(c, r.id, errorOf(o))
			return
		}
	}
	var frame []byte
	l.arena, frame = protocol.AppendPresenceList(l.arena, r.id, r.answers)
	l.push(c, frame)
}

// rejectedUser is a rejection that is about a user.
type rejectedUser struct {
	Name    string `json:"user_id"`
	Code    int    `json:"code"`
	Message string `json:"message"`
	Limit   string `json:"limit,omitempty"`
}

func (l *loop) replyWatch(c *conn, r *request) {
	details := struct {
		Users    []string          `json:"users"`
		Watching int               `json:"watching"`
		Presence []json.RawMessage `json:"presence,omitempty"`
		Rejected []rejectedUser    `json:"rejected,omitempty"`
	}{Users: []string{}, Watching: watches(c)}
	var rejected []rejection
	for i, o := range r.outcome {
		if o.Code != 0 {
			rejected = append(rejected, o)
			details.Rejected = append(details.Rejected, rejectedUser(o))
			continue
		}
		details.Users = append(details.Users, r.topics[i])
		if len(r.answers[i]) > 0 {
			details.Presence = append(details.Presence, r.answers[i])
		}
	}
	if len(details.Users) == 0 {
		l.sendError(c, r.id, rejectedAll("users", rejected, details.Rejected))
		return
	}
	var frame []byte
	l.arena, frame = protocol.AppendStatus(l.arena, r.id, r.status, jsonText(details))
	l.push(c, frame)
}
