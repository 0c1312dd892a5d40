// Package hub is a stand-in for the server in the tests of the load tools: one
// process, one lock, topics, rooms, direct messages and presence as far as the
// tools use them, and a hook that breaks promises on purpose. It shows that the client speaks the protocol and that
// the checker notices what it must; it is no model of the real server.
package hub

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/tidwall/gjson"
)

// Fate is what happens to one delivery.
type Fate int

// The fates.
const (
	Pass   Fate = iota
	Drop        // never sent
	Double      // sent twice
	Swap        // sent after the connection's next delivery
	Alter       // sent with another payload
)

// Hub serves the protocol. The zero value keeps every promise.
type Hub struct {
	// Mangle decides about the n-th delivery (from 0) to the c-th connection
	// (from 0); nil passes everything.
	Mangle func(c, n int) Fate
	// Answer may replace the reply to the n-th Broadcast, RoomMessage or
	// DirectMessage (from 0) by its own text, "" for none at all; nil leaves it.
	Answer func(n int, id, reply string) string
	// NoQueue says that direct messages cannot be queued now; nil means never.
	NoQueue func() bool
	// Again says that the direct messages that wait for a user are sent again at its
	// next connection, as if it were not known that they arrived.
	Again bool

	// More broken promises: the first queued message of each user is forgotten; they
	// are sent under another message_id, or without the mark; who has left a room
	// still gets its messages; what was queued counts as arrived when it is sent.
	Forgets, Renames, Unmarked, Clings, Hasty bool

	// History gives every topic and room a history, and connections sessions; Flaw is
	// what is wrong with it.
	History bool
	Flaw    Flaw

	mu         sync.Mutex // guards everything, the order of writes included
	conns      []*conn
	rooms      map[string]*room
	queues     map[string][]direct // by user
	broadcasts int
	published  int // broadcasts and the others that Answer sees
	wg         sync.WaitGroup

	logs      map[string]*log     // by topic or room
	sessions  map[string]*session // by id
	occasions int
}

type conn struct {
	net.Conn
	index    int
	user     string // its token
	status   string // as set; "" is online
	topics   map[string]bool
	watching map[string]bool
	sent     int
	pongs    int
	held     []byte
	flushed  int // queued direct messages it was sent, until it says something
	session  string
	gone     bool
}

// Handler serves /ws, /readyz and an empty /metrics.
func (h *Hub) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", h.serve)
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		fmt.Fprintf(w, "# TYPE hub_broadcasts_total counter\nhub_broadcasts_total %d\n", h.broadcasts)
	})
	return mux
}

// Close drops every connection and waits for their goroutines.
func (h *Hub) Close() {
	h.mu.Lock()
	for _, c := range h.conns {
		_ = c.Close()
	}
	h.mu.Unlock()
	h.wg.Wait()
}

// CloseWith sends a close frame to the c-th connection.
func (h *Hub) CloseWith(c int, code ws.StatusCode, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = ws.WriteFrame(h.conns[c], ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason)))
}

func (c *conn) bye(code ws.StatusCode) {
	_ = ws.WriteFrame(c, ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))
}

// Write sends frames as they are to the c-th connection.
func (h *Hub) Write(c int, frames ...ws.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range frames {
		_ = ws.WriteFrame(h.conns[c], f)
	}
}

// Pongs is how many pongs the c-th connection has sent.
func (h *Hub) Pongs(c int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns[c].pongs
}

func (h *Hub) serve(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	if a, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = a
	}
	up := ws.HTTPUpgrader{Protocol: func(p string) bool {
		if t, ok := strings.CutPrefix(p, "access_token."); ok {
			token = t
		}
		return p == "realtime.v1"
	}}
	if token == "" && r.Header.Get("Sec-WebSocket-Protocol") == "" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"code":401,"message":"no token"}`)
		return
	}
	raw, _, _, err := up.Upgrade(r, w)
	if err != nil {
		return
	}
	h.mu.Lock()
	c := &conn{Conn: raw, index: len(h.conns), user: token, topics: map[string]bool{}, watching: map[string]bool{}}
	h.conns = append(h.conns, c)
	h.wg.Add(1)
	if h.History {
		h.resume(c, r.URL.Query().Get("session"))
	} else {
		c.say(`{"type":"Status","data":{"status":"connected","details":{"connection_id":"c%d","session_id":"s","user_id":%q}}}`, c.index, token)
	}
	h.flush(c)
	h.changed(token)
	h.mu.Unlock()
	defer h.wg.Done()
	h.read(c)
	h.mu.Lock()
	c.gone = true
	h.changed(token)
	h.mu.Unlock()
	_ = raw.Close()
}

func (h *Hub) read(c *conn) {
	control := wsutil.ControlFrameHandler(c, ws.StateServerSide)
	for {
		rd := wsutil.Reader{Source: c, State: ws.StateServerSide, OnIntermediate: control}
		head, err := rd.NextFrame()
		if err != nil {
			return
		}
		if head.OpCode.IsControl() {
			if head.OpCode == ws.OpPong {
				h.mu.Lock()
				c.pongs++
				h.mu.Unlock()
			}
			if control(head, &rd) != nil {
				return
			}
			continue
		}
		text, err := io.ReadAll(&rd)
		if err != nil || head.OpCode != ws.OpText {
			return
		}
		m := gjson.ParseBytes(text)
		h.handle(c, m.Get("type").Str, m.Get("id").Str, m.Get("data"))
	}
}

func (h *Hub) handle(c *conn, typ, id string, data gjson.Result) {
	h.mu.Lock()
	defer h.mu.Unlock() // also when this panics, which net/http recovers from
	if c.flushed > 0 {
		h.arrived(c)
	}
	switch typ {
	case "Ping":
		c.say(`{"type":"Pong","id":%q,"data":{"server_time":1}}`, id)
	case "History":
		h.past(c, id, data)
	case "Subscribe", "Unsubscribe":
		if h.History && typ == "Subscribe" {
			h.subscribe(c, id, data)
			return
		}
		for _, t := range data.Get("topics").Array() {
			if t.Str == "forbidden" {
				c.say(`{"type":"Error","id":%q,"data":{"code":403,"message":"not allowed","details":{"topic":"forbidden"}}}`, id)
				return
			}
			c.topics[t.Str] = typ == "Subscribe"
		}
		status := strings.ToLower(typ) + "d" // subscribed, unsubscribed
		c.say(`{"type":"Status","id":%q,"data":{"status":%q,"details":{"topics":%s,"active_subscriptions":%d}}}`,
			id, status, data.Get("topics").Raw, c.active())
	case "Broadcast":
		h.broadcast(c, id, data)
	case "DirectMessage":
		h.direct(c, id, data)
	case "SetPresence", "GetPresence", "WatchPresence", "UnwatchPresence":
		h.presence(c, typ, id, data)
	default:
		if h.inRoom(c, typ, id, data) {
			return
		}
		c.say(`{"type":"Error","id":%q,"data":{"code":400,"message":"unknown type"}}`, id)
	}
}

func (h *Hub) broadcast(from *conn, id string, data gjson.Result) {
	topic, payload := data.Get("topic").Str, data.Get("payload").Raw
	h.broadcasts++
	if h.History {
		h.publish(from, id, stored{topic: topic, user: from.user, id: id, payload: payload})
		return
	}
	for _, c := range h.conns {
		if !c.gone && c.wants(topic) {
			h.deliver(c, "Broadcast", payload, object{"topic": topic, "from_user": from.user}, object{"message_id": id, "sent_at": 1})
		}
	}
	h.ack(from, id, object{"message_id": id, "topic": topic, "status": "accepted"})
}

type object = map[string]any

// ack answers a message that was published.
func (h *Hub) ack(to *conn, id string, data object) {
	reply, _ := json.Marshal(object{"type": "Ack", "id": id, "data": data})
	h.answer(to, id, string(reply))
}

// refuse answers a message that was published.
func (h *Hub) refuse(to *conn, id string, code int, message string) {
	reply, _ := json.Marshal(object{"type": "Error", "id": id, "data": object{"code": code, "message": message}})
	h.answer(to, id, string(reply))
}

func (h *Hub) answer(to *conn, id, reply string) {
	n := h.published
	h.published++
	if h.Answer != nil {
		reply = h.Answer(n, id, reply)
	}
	if id != "" && reply != "" {
		for line := range strings.SplitSeq(reply, "\n") {
			_ = wsutil.WriteServerText(to, []byte(line))
		}
	}
}

// deliver sends a message with a payload to c, as Mangle lets it.
func (h *Hub) deliver(c *conn, typ, payload string, data, metadata object) {
	fate := Pass
	if h.Mangle != nil {
		fate = h.Mangle(c.index, c.sent)
	}
	c.sent++
	if fate == Alter {
		payload = `{"altered":true}`
	}
	data["payload"], data["metadata"] = json.RawMessage(payload), metadata
	frame, _ := json.Marshal(object{"type": typ, "data": data})
	switch {
	case fate == Drop:
		return
	case fate == Swap && c.held == nil:
		c.held = frame
		return
	case fate == Double:
		_ = wsutil.WriteServerText(c, frame)
	}
	_ = wsutil.WriteServerText(c, frame)
	if c.held != nil {
		_ = wsutil.WriteServerText(c, c.held)
		c.held = nil
	}
}

func (c *conn) say(format string, args ...any) {
	_ = wsutil.WriteServerText(c, fmt.Appendf(nil, format, args...))
}

func (c *conn) tell(v object) {
	b, _ := json.Marshal(v)
	_ = wsutil.WriteServerText(c, b)
}

func (c *conn) fail(id string, code int, message string) {
	c.tell(object{"type": "Error", "id": id, "data": object{"code": code, "message": message}})
}

func (c *conn) active() int {
	n := 0
	for _, on := range c.topics {
		if on {
			n++
		}
	}
	return n
}

func (c *conn) wants(topic string) bool {
	if c.topics[topic] {
		return true
	}
	for p, on := range c.topics {
		if prefix, ok := strings.CutSuffix(p, "*"); on && ok && strings.HasPrefix(topic, prefix) {
			return true
		}
		if prefix, ok := strings.CutSuffix(p, ">"); on && ok && strings.HasPrefix(topic, prefix) {
			return true
		}
	}
	return false
}
