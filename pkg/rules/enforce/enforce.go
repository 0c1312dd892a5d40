// Package enforce does at the owners of topics, users and rooms what package rules decides.
package enforce

import (
	"strconv"
	"time"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/rules"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Enforcer has the rules applied to the messages of one lane, whose goroutine alone uses it. A nil one has no rules.
type Enforcer struct {
	lane  *owner.Lane
	file  *rules.File // nil: there are none
	judge *rules.Judge
	frame []byte // scratch
}

// New makes a lane's Enforcer. file is nil where there are no rules; m is shared by the lanes of a role.
func New(l *owner.Lane, file *rules.File, m *rules.Metrics) *Enforcer {
	return &Enforcer{lane: l, file: file, judge: rules.NewJudge(m)}
}

// Apply applies the rules to a message, whose payload and metadata they may replace. It reports whether the message goes
// on: otherwise its sender has been answered, or is by whom the message was redirected to.
func (e *Enforcer) Apply(from owner.Source, p *wire.Publish) bool {
	if e == nil || p.Ruled {
		return true
	}
	set := e.file.Current()
	if set == nil {
		return true
	}
	kind, name := kindOf(p.Topic)
	v := e.judge.Judge(set, &rules.Message{
		Kind: kind, Key: name, User: p.User, Roles: p.Roles, Payload: p.Payload,
		MessageID: p.ID, SentAt: p.SentAt / 1000,
	}, e.lane.Now())
	if v == nil {
		return true
	}
	for i := range v.Copies {
		c := &v.Copies[i]
		e.redirect(from, p, c.Target, c.Payload, c.Metadata, true)
	}
	if v.Changed {
		p.Payload = v.Payload
	}
	p.Metadata = v.Metadata
	switch v.Action {
	case rules.Drop:
		e.accept(from, p, kind, name)
	case rules.Reject:
		e.refuse(from, p, protocol.Error{
			Code: v.Code, Message: v.Message, Details: `{"rule":` + quote(v.Rule) + `}`,
		})
	case rules.Limited:
		ms := (v.Wait + time.Millisecond - 1).Milliseconds()
		e.refuse(from, p, protocol.Error{
			Code: protocol.CodeTooMany, Message: "too many messages for a rule",
			Details: `{"limit":` + quote("rule:"+v.Rule) + `,"retry_after_ms":` + strconv.FormatInt(ms, 10) + `}`,
		})
	case rules.Redirect:
		e.redirect(from, p, v.To, p.Payload, p.Metadata, false)
	default:
		return true
	}
	return false
}

// quote quotes the name of a rule, which has nothing to escape.
func quote(s string) string { return `"` + s + `"` }

// kindOf is what a message to an owner's key is.
func kindOf(key string) (rules.Kind, string) {
	switch {
	case wire.IsRoom(key):
		return rules.RoomMessage, wire.Name(key)
	case wire.IsUser(key):
		return rules.DirectMessage, wire.Name(key)
	}
	return rules.Broadcast, key
}

func keyOf(t rules.Target) string {
	switch t.Kind {
	case rules.RoomMessage:
		return wire.RoomKey(t.Key)
	case rules.DirectMessage:
		return wire.UserKey(t.Key)
	}
	return t.Key
}

// redirect has a message, or a copy of it, published to another key, by the gateway that it came from.
func (e *Enforcer) redirect(from owner.Source, p *wire.Publish, to rules.Target, payload []byte, metadata string, copied bool) {
	if !e.lane.Alive(from.Gateway) {
		return
	}
	r := wire.Redirect{Publish: *p, Copy: copied}
	r.Topic, r.Payload, r.Metadata, r.Roles, r.Ruled = keyOf(to), payload, metadata, "", true
	r.Quiet = p.Quiet && to.Kind == rules.Broadcast // only subscribers of topics can be spared an echo
	e.lane.End(from.Gateway, wire.AppendRedirect(e.lane.Begin(from.Gateway), &r))
}

// accept answers the sender of a message that a rule has dropped as it would have been answered.
func (e *Enforcer) accept(to owner.Source, p *wire.Publish, kind rules.Kind, name string) {
	if p.ID == "" {
		return
	}
	var ack []byte
	switch kind {
	case rules.RoomMessage:
		e.frame, ack = protocol.AppendRoomAck(e.frame[:0], p.ID, p.ID, name, 0)
	case rules.DirectMessage:
		e.frame, ack = protocol.AppendDelivered(e.frame[:0], p.ID, p.ID, 0)
	default:
		e.frame, ack = protocol.AppendAck(e.frame[:0], p.ID, name)
	}
	e.reply(to, p, ack)
}

func (e *Enforcer) refuse(to owner.Source, p *wire.Publish, no protocol.Error) {
	var frame []byte
	e.frame, frame = protocol.AppendError(e.frame[:0], p.ID, no)
	e.reply(to, p, frame)
}

func (e *Enforcer) reply(to owner.Source, p *wire.Publish, frame []byte) {
	if e.lane.Alive(to.Gateway) {
		e.lane.End(to.Gateway, wire.AppendReply(e.lane.Begin(to.Gateway), &wire.Reply{Op: p.Op, Conn: p.Conn, Frame: frame}))
	}
}
