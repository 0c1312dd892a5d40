package gateway_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/backbone"
	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/presence"
)

// people is the cluster of a test of users and rooms.
type people struct {
	gateways, presences int // 0: two
	gateway             func(*gateway.Config)
	presence            func(*presence.Config)
	redis               string // URL; empty: embedded
	limits              store.Limits
	policy              history.Policy // of rooms with history
}

// startPeople brings up a cluster without routers: users and rooms need none.
func startPeople(t *testing.T, p people) *harness {
	t.Helper()
	log := zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
	server, err := backbone.StartEmbedded(backbone.EmbeddedConfig{DataDir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	h := &harness{t: t, server: server, log: log, tunePresence: p.presence, policy: p.policy}
	h.openStore(p.redis, p.limits)
	for range or(p.presences, 2) {
		h.beginPresence()
	}
	for range or(p.gateways, 2) {
		h.addGateway(p.gateway)
	}
	h.settled()
	return h
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// openStore opens the store of queues and last seen times.
func (h *harness) openStore(url string, limits store.Limits) {
	h.t.Helper()
	if limits == (store.Limits{}) {
		limits = store.Limits{MaxCount: 1000, MaxBytes: 1 << 20, TTL: time.Hour}
	}
	s, err := store.Open(h.t.Context(), store.Config{URL: url, Role: "test", Registerer: prometheus.NewRegistry(), Log: h.log})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(s.Close)
	h.queue, h.seen = store.NewQueue(s, limits), store.NewSeen(s, time.Hour)
	h.run(nil, func(stop, _ context.Context) error { return s.Run(stop) })
	h.run(nil, func(stop, _ context.Context) error { return h.seen.Run(stop) })
}

// settled waits until every gateway knows the presence nodes that there are.
func (h *harness) settled() {
	h.t.Helper()
	alive := 0
	for _, p := range h.presence {
		if !p.killed.Load() && !p.stopped.Load() {
			alive++
		}
	}
	for _, g := range h.gateway {
		h.eventually(func() bool { return len(g.Views().Presences.Active) == alive })
	}
	for _, p := range h.presence {
		if !p.killed.Load() && !p.stopped.Load() {
			<-p.Started()
		}
	}
}

// say is a message of a client; without an id where that is empty.
func say(kind, id, data string) string {
	if id != "" {
		id = fmt.Sprintf(`"id":%q,`, id)
	}
	return fmt.Sprintf(`{"type":%q,%s"data":%s}`, kind, id, data)
}

// direct is a DirectMessage, whose id and payload are the same number or name.
func direct(to, id string) string {
	return say("DirectMessage", id, fmt.Sprintf(`{"target_user":%q,"payload":%q}`, to, id))
}

// inRoom is a RoomMessage of the same kind.
func inRoom(room, id string) string {
	return say("RoomMessage", id, fmt.Sprintf(`{"room":%q,"payload":%q}`, room, id))
}

// try asks for something and returns the reply. What comes before that is kept for take.
func (k *talk) try(kind, data string) gjson.Result {
	k.t.Helper()
	k.asked++
	return k.reply(say(kind, "ask "+strconv.Itoa(k.asked), data))
}

// reply is that to a message with an id. What comes before it is kept for take.
func (k *talk) reply(message string) gjson.Result {
	k.t.Helper()
	reply, before := k.ask(message)
	k.passed = append(k.passed, before...)
	return reply
}

// do asks for something that has to be granted. format is of the message's data.
func (k *talk) do(kind, format string, args ...any) gjson.Result {
	k.t.Helper()
	r := k.try(kind, fmt.Sprintf(format, args...))
	if r.Get("type").Str == "Error" {
		k.t.Fatalf("%s %s: %s", kind, fmt.Sprintf(format, args...), r.Raw)
	}
	return r
}

// acked sends messages and sees to it that each is acked.
func (k *talk) acked(messages ...string) {
	k.t.Helper()
	for _, m := range messages {
		if r := k.reply(m); r.Get("type").Str != "Ack" {
			k.t.Fatalf("%s: %s", m, r.Raw)
		}
	}
}

// take is the next message, what was kept first.
func (k *talk) take() gjson.Result {
	k.t.Helper()
	if len(k.passed) > 0 {
		m := k.passed[0]
		k.passed = k.passed[1:]
		return m
	}
	return k.next()
}

// gets sees to it that these messages come next, as words tell them.
func (k *talk) gets(want ...string) {
	k.t.Helper()
	for _, w := range want {
		if got := words(k.take()); got != w {
			k.t.Fatalf("got %q, want %q", got, w)
		}
	}
}

// nothing sees to it that the gateway has sent nothing that was not taken.
func (k *talk) nothing() {
	k.t.Helper()
	k.passed = append(k.passed, k.lives()...)
	if len(k.passed) > 0 {
		var got []string
		for _, m := range k.passed {
			got = append(got, words(m))
		}
		k.t.Fatalf("got %q", got)
	}
}

// bye closes a connection in good order.
func (k *talk) bye() {
	k.t.Helper()
	k.write(closing())
	k.end()
	_ = k.conn.Close()
}

func closing() ws.Frame {
	return ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
}

// words tell a message about users and rooms.
func words(m gjson.Result) string {
	d := m.Get("data")
	text := func(paths ...string) string {
		var list []string
		for _, path := range paths {
			if v := d.Get(path); v.Exists() {
				list = append(list, v.String())
			}
		}
		return strings.Join(list, " ")
	}
	switch m.Get("type").Str {
	case "DirectMessage":
		s := "direct " + text("from_user", "payload")
		if d.Get("metadata.queued").Bool() {
			s += " queued"
		}
		return s
	case "RoomMessage":
		return "message " + text("room", "from_user", "payload")
	case "RoomEvent":
		return "event " + text("room", "event", "user_id", "joined", "left", "member_count")
	case "Presence":
		if m.Get("id").Exists() {
			break
		}
		return "presence " + text("user_id", "status", "message")
	case "Error":
		return "error " + text("code", "message")
	}
	return brief(m)[0]
}
