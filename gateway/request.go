package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// request is a message about several topics or users, whose owners are being asked. The requests of a
// connection are answered in the order in which they came, and what was sent to one of their
// topics or users later is answered after them, though owners answer when they like.
type request struct {
	slot, gen uint32
	id        string
	status    string // of the reply: "subscribed" and so on
	reply     func(*loop, *conn, *request)
	topics    []string    // or users, or a room and then its members
	hashes    []uint64    // by topic: of its key
	outcome   []rejection // by topic; code 0: fine
	answers   [][]byte    // by topic: what its owner answered; nil for Subscribe and Unsubscribe
	next      string      // of a RoomInfo: where the next page begins
	need      int         // topics not answered yet, and 1 while they are being asked for
	order     uint64      // of the last op before it
	later     *request    // of the connection
	after     [][]byte    // frames to be sent behind the reply; ends with REQUEST_TIMEOUT

	// Of a Subscribe: where the client stands, and what is answered to that; nil where there is nothing.
	since     map[string]protocol.Position
	positions map[string]protocol.TopicPosition
	greet     *greeting // whose session's topics they are; nil: a client's request
}

// wantPositions notes where a client that subscribes stands.
func (r *request) wantPositions(since map[string]protocol.Position) {
	r.positions = make(map[string]protocol.TopicPosition)
	if len(since) > 0 {
		r.since = make(map[string]protocol.Position)
	}
	for name, p := range since {
		r.since[strings.Clone(name)] = protocol.Position{Offset: p.Offset, Epoch: strings.Clone(p.Epoch)}
		r.positions[strings.Clone(name)] = protocol.TopicPosition{}
	}
}

// The limits on what a connection, or its user, may have. Waiting helps against none of them.
const (
	limitSubscriptions = "subscriptions"
	limitRooms         = "rooms"
	limitWatched       = "watched"
)

// rejection is why one part of a request failed.
type rejection struct {
	Name    string `json:"topic"`
	Code    int    `json:"code"`
	Message string `json:"message"`
	Limit   string `json:"limit,omitempty"` // that was met
}

func (l *loop) newRequest(c *conn, id, status string, topics []string) *request {
	r := &request{
		slot: c.slot, gen: c.gen, id: strings.Clone(id), status: status, order: l.ops.order,
		topics: make([]string, len(topics)), hashes: make([]uint64, len(topics)),
		outcome: make([]rejection, len(topics)), need: 1, reply: (*loop).replyTopics,
	}
	for i, t := range topics {
		r.topics[i] = strings.Clone(t)
		r.hashes[i] = cluster.Hash(t)
	}
	at := &c.asked
	for *at != nil {
		at = &(*at).later
	}
	*at = r
	return r
}

// settle counts one part of a request as done. After the last it replies, unless an older
// request is not answered yet, and to those that waited for this one.
func (l *loop) settle(c *conn, r *request) {
	if r.need--; r.need > 0 || c == nil || c.state != stateOpen && (r.greet == nil || r.greet != c.greet) {
		return
	}
	for c.asked != nil && c.asked.need == 0 {
		r := c.asked
		c.asked = r.later
		r.reply(l, c, r)
		if r.greet != nil {
			continue // they follow the welcome
		}
		for name := range r.positions {
			if t := l.tracks[name]; t != nil {
				l.follow(c, t)
			}
		}
		for _, frame := range r.after {
			l.push(c, frame)
		}
	}
}

// pushAfter gives a connection the answer to a message to the topic, user or room with that hash, which
// was asked for as the op of that order: behind the answers to what came before it.
func (l *loop) pushAfter(c *conn, order, hash uint64, frame []byte) {
	var last *request
	for r := c.asked; r != nil && r.order < order; r = r.later {
		if r.concerns(hash) {
			last = r
		}
	}
	if last == nil {
		l.push(c, frame)
		return
	}
	last.after = append(last.after, bytes.Clone(frame))
}

func (r *request) concerns(hash uint64) bool { return slices.Contains(r.hashes, hash) }

// replyTopics answers a Subscribe or Unsubscribe.
func (l *loop) replyTopics(c *conn, r *request) {
	details := struct {
		Topics    []string                          `json:"topics"`
		Active    int                               `json:"active_subscriptions"`
		Rejected  []rejection                       `json:"rejected,omitempty"`
		Positions map[string]protocol.TopicPosition `json:"positions,omitempty"`
	}{Topics: []string{}, Active: active(c), Positions: r.positions}
	for i, o := range r.outcome {
		if o.Code == 0 {
			details.Topics = append(details.Topics, r.topics[i])
		} else {
			details.Rejected = append(details.Rejected, o)
			delete(r.positions, r.topics[i])
		}
	}
	if len(details.Topics) == 0 {
		l.sendError(c, r.id, rejectedAll("topics", details.Rejected, details.Rejected))
		return
	}
	var frame []byte
	l.arena, frame = protocol.AppendStatus(l.arena, r.id, r.status, jsonText(details))
	l.push(c, frame)
}

// rejectedAll is the reply to a request of which no part succeeded; shown is the list for the client.
func rejectedAll(field string, list []rejection, shown any) protocol.Error {
	details := struct {
		Rejected   any    `json:"rejected"`
		Limit      string `json:"limit,omitempty"`
		RetryAfter int    `json:"retry_after_ms,omitempty"`
	}{Rejected: shown, Limit: list[0].Limit}
	for _, r := range list {
		if r.Code == protocol.CodeUnavailable {
			details.RetryAfter = retryMS
		}
	}
	first := list[0]
	return protocol.Error{
		Code: first.Code, Message: fmt.Sprintf("%s: %q: %s", field, first.Name, first.Message),
		Details: jsonText(details),
	}
}

// jsonText encodes what cannot fail to be encoded.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
