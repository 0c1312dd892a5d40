package gateway_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/store"
)

// withSessions is startWith with a store for sessions, in memory.
func withSessions(t *testing.T, gateways, routers int) *harness {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Role: "test", Log: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	h := startWith(t, kept(), gateways, routers, func(c *gateway.Config) {
		c.Store, c.SessionTTL = s, time.Minute
	})
	h.sessions = s
	h.addPresence()
	return h
}

// resume connects with a session and returns the welcome's details.
func (h *harness) resume(g *gatewayNode, user, session string) (*talk, gjson.Result) {
	h.t.Helper()
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + h.token(user)}}, Timeout: patience}
	url := "ws://" + g.addr + "/ws"
	if session != "" {
		url += "?session=" + session
	}
	conn, in, _, err := d.Dial(h.t.Context(), url)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	k := newTalk(h.t, conn, in)
	k.user = user
	m := k.next()
	if m.Get("data.status").Str != "connected" {
		h.t.Fatalf("welcomed with %s", m.Raw)
	}
	return k, m.Get("data.details")
}

func TestSessionResumesElsewhere(t *testing.T) {
	h := withSessions(t, 2, 1)
	writer := h.talk(h.gateway[0], "w")
	for name, end := range map[string]func(*talk){
		"closed": func(k *talk) {
			for range 3 { // it answers pings, the last of which is behind the last message
				k.lives()
			}
			k.write(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
			k.end()
		},
		"gone": func(k *talk) {
			read := time.After(time.Second) // it answers pings
			for done := false; !done; {
				select {
				case <-read:
					done = true
				default:
					k.lives()
					time.Sleep(50 * time.Millisecond)
				}
			}
			_ = k.conn.Close()
		},
		"still there": func(*talk) { time.Sleep(500 * time.Millisecond) }, // until it is written
	} {
		t.Run(name, func(t *testing.T) {
			h, topic := h.in(t), "h."+name[:1]
			first, details := h.resume(h.gateway[0], "r", "")
			session := details.Get("session_id").Str
			if details.Get("resumed").Bool() || session == "" {
				t.Fatalf("welcomed with %s", details.Raw)
			}
			first.subscribe(topic, "plain")
			if name != "still there" {
				writer.publish(topic, 1, 5)
				first.hears(1, 5)
			}
			end(first)
			from := 6
			if name == "still there" {
				from = 1
			}
			second, details := h.resume(h.gateway[1], "r", session)
			if name == "still there" {
				if _, code := first.end(); code != int(protocol.CloseResumed) {
					t.Fatalf("the former connection was closed with %d", code)
				}
			} else {
				_ = second.conn.Close()
				time.Sleep(300 * time.Millisecond)
				writer.publish(topic, from, from+4)
				second, details = h.resume(h.gateway[0], "r", session)
				from += 5
			}
			topics := []string{details.Get("topics.0").Str, details.Get("topics.1").Str}
			slices.Sort(topics)
			p := details.Get("positions").Map()[topic]
			if !details.Get("resumed").Bool() || !slices.Equal(topics, []string{topic, "plain"}) || !p.Get("recovered").Bool() || details.Get("session_id").Str != session {
				t.Fatalf("welcomed with %s", details.Raw)
			}
			if name != "still there" {
				second.hears(6, 10)
			}
			writer.publish(topic, from, from+3)
			second.hears(from, from+3)
		})
	}
	if _, details := h.resume(h.gateway[0], "another", "nonsense"); details.Get("resumed").Bool() {
		t.Fatalf("welcomed with %s", details.Raw)
	}
}

// A gateway that dies leaves sessions that can be resumed.
func TestSessionOutlivesItsGateway(t *testing.T) {
	h := withSessions(t, 2, 1)
	writer := h.talk(h.gateway[0], "w")
	first, details := h.resume(h.gateway[1], "r", "")
	session := details.Get("session_id").Str
	first.subscribe("h.a")
	epoch := writer.publish("h.a", 1, 5)
	first.hears(1, 5)
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		first.lives()
	}
	h.gateway[1].kill()
	writer.publish("h.a", 6, 10)
	second, details := h.resume(h.gateway[0], "r", session)
	p := details.Get("positions").Map()["h.a"]
	if !details.Get("resumed").Bool() || !p.Get("recovered").Bool() || p.Get("epoch").Str != epoch {
		t.Fatalf("welcomed with %s", details.Raw)
	}
	second.hears(6, 10)
}
