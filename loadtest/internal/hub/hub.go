// Package hub is a stand-in for the server in the tests of the load tools: one
// process, one lock, the topic part of the protocol, and a hook that breaks its
// promises on purpose. It shows that the client speaks the protocol and that
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
	// Answer may replace the reply to the n-th Broadcast (from 0) by its own
	// text, "" for none at all; nil leaves it.
	Answer func(n int, id, reply string) string

	mu         sync.Mutex // guards everything, the order of writes included
	conns      []*conn
	broadcasts int
	wg         sync.WaitGroup
}

type conn struct {
	net.Conn
	index  int
	topics map[string]bool
	sent   int
	held   []byte
	gone   bool
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

// Write sends frames as they are to the c-th connection.
func (h *Hub) Write(c int, frames ...ws.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range frames {
		_ = ws.WriteFrame(h.conns[c], f)
	}
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
	c := &conn{Conn: raw, index: len(h.conns), topics: map[string]bool{}}
	h.conns = append(h.conns, c)
	h.wg.Add(1)
	c.say(`{"type":"Status","data":{"status":"connected","details":{"connection_id":"c%d","session_id":"s","user_id":"u"}}}`, c.index)
	h.mu.Unlock()
	defer h.wg.Done()
	h.read(c)
	h.mu.Lock()
	c.gone = true
	h.mu.Unlock()
	_ = raw.Close()
}

func (h *Hub) read(c *conn) {
	for {
		text, op, err := wsutil.ReadClientData(c)
		if err != nil || op != ws.OpText {
			return
		}
		m := gjson.ParseBytes(text)
		h.mu.Lock()
		h.handle(c, m.Get("type").Str, m.Get("id").Str, m.Get("data"))
		h.mu.Unlock()
	}
}

func (h *Hub) handle(c *conn, typ, id string, data gjson.Result) {
	switch typ {
	case "Ping":
		c.say(`{"type":"Pong","id":%q,"data":{"server_time":1}}`, id)
	case "Subscribe", "Unsubscribe":
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
	default:
		c.say(`{"type":"Error","id":%q,"data":{"code":400,"message":"unknown type"}}`, id)
	}
}

func (h *Hub) broadcast(from *conn, id string, data gjson.Result) {
	topic, payload := data.Get("topic").Str, data.Get("payload").Raw
	n := h.broadcasts
	h.broadcasts++
	for _, c := range h.conns {
		if !c.gone && c.wants(topic) {
			h.deliver(c, topic, payload, id)
		}
	}
	reply, _ := json.Marshal(map[string]any{"type": "Ack", "id": id,
		"data": map[string]any{"message_id": id, "topic": topic, "status": "accepted"}})
	out := string(reply)
	if h.Answer != nil {
		out = h.Answer(n, id, out)
	}
	if id != "" && out != "" {
		for line := range strings.SplitSeq(out, "\n") {
			_ = wsutil.WriteServerText(from, []byte(line))
		}
	}
}

func (h *Hub) deliver(c *conn, topic, payload, id string) {
	fate := Pass
	if h.Mangle != nil {
		fate = h.Mangle(c.index, c.sent)
	}
	c.sent++
	if fate == Alter {
		payload = `{"altered":true}`
	}
	frame, _ := json.Marshal(map[string]any{"type": "Broadcast", "data": map[string]any{
		"topic": topic, "payload": json.RawMessage(payload), "from_user": "u",
		"metadata": map[string]any{"message_id": id, "sent_at": 1}}})
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
