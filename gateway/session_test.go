package gateway_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/gobwas/ws"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/presence"
)

// welcomedBy connects with a token and a session, as it stands in the address, and returns the welcome's details.
func (h *harness) welcomedBy(g *gatewayNode, token, session string) (*talk, gjson.Result) {
	h.t.Helper()
	k, details, err := h.tryResume(g, token, session)
	if err != nil {
		h.t.Fatal(err)
	}
	return k, details
}

func (h *harness) tryResume(g *gatewayNode, token, session string) (*talk, gjson.Result, error) {
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + token}}, Timeout: patience}
	conn, in, _, err := d.Dial(h.t.Context(), "ws://"+g.addr+"/ws?session="+session)
	if err != nil {
		return nil, gjson.Result{}, err
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	k := newTalk(h.t, conn, in)
	f, err := k.frame()
	if err == nil && gjson.GetBytes(f.Payload, "data.status").Str != "connected" {
		err = fmt.Errorf("welcomed with %s", f.Payload)
	}
	return k, gjson.GetBytes(f.Payload, "data.details"), err
}

// written is after how long other gateways know of a session that began.
const written = 400 * time.Millisecond

// close ends a connection in good order.
func (k *talk) close() {
	k.t.Helper()
	k.write(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
	k.end()
}

// Of several that resume one session at once, and of those that do so in turn, one connection remains.
func TestSessionHasOneConnection(t *testing.T) {
	t.Parallel()
	h := withSessions(t, 2, 1)
	first, details := h.resume(h.gateway[0], "r", "")
	session := details.Get("session_id").Str
	first.subscribe("h.a", "plain")
	first.close()
	time.Sleep(written)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var list []*talk
	for i := range 10 {
		token := h.token("r")
		wg.Go(func() {
			k, details, err := h.tryResume(h.gateway[i%2], token, session)
			if err != nil || !details.Get("resumed").Bool() {
				t.Errorf("welcomed with %s, %v", details.Raw, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			list = append(list, k)
		})
	}
	wg.Wait()
	open := func() int { return h.gateway[0].Open() + h.gateway[1].Open() }
	h.eventually(func() bool { return open() == 1 })
	time.Sleep(600 * time.Millisecond)
	if n := open(); n != 1 {
		t.Fatalf("%d connections remain", n)
	}
	writer := h.talk(h.gateway[0], "w")
	writer.publish("h.a", 1, 3)
	remain := 0
	for _, k := range list {
		_ = k.conn.SetReadDeadline(time.Now().Add(patience))
		for n := 0; n < 3 && k.code == 0; {
			f, err := k.frame()
			if err != nil {
				t.Fatal(err)
			}
			if f.Header.OpCode == ws.OpText {
				if n++; n == 3 {
					remain++
				}
			}
		}
		if k.code != 0 && k.code != int(protocol.CloseResumed) {
			t.Errorf("closed with %d", k.code)
		}
	}
	if remain != 1 {
		t.Errorf("%d connections got the messages", remain)
	}
}

// A session is its user's, whatever its id looks like; and a token may allow less than it did.
func TestSessionOfAnother(t *testing.T) {
	t.Parallel()
	h := withSessions(t, 1, 1)
	g := h.gateway[0]
	first, details := h.resume(g, "r", "")
	session := details.Get("session_id").Str
	first.subscribe("h.a", "plain", "h.*")
	time.Sleep(written)
	for _, odd := range []string{session, "", "%00", "%ff%fe", "a%0d%0aPUB%20x%200", "*", "%3E", strings.Repeat("x", 129), "%7B" + session + "%7D", session + "%20"} {
		k, details := h.welcomedBy(g, h.token("s"), odd)
		if details.Get("resumed").Bool() || details.Get("topics.#").Int() != 0 || details.Get("session_id").Str == session || details.Get("session_id").Str == "" {
			t.Errorf("with %q: welcomed with %s", odd, details.Raw)
		}
		k.lives()
		_ = k.conn.Close()
	}
	first.lives()
	token := h.mint(auth.TokenSpec{User: "r", TTL: time.Hour, Topics: &topic.Grants{Subscribe: []string{"plain"}}})
	second, details := h.welcomedBy(g, token, session)
	if got := details.Get("topics").Array(); len(got) > 1 || len(got) == 1 && got[0].Str != "plain" {
		t.Errorf("welcomed with %s", details.Raw)
	}
	if _, code := first.end(); code != int(protocol.CloseResumed) {
		t.Errorf("the former connection was closed with %d", code)
	}
	writer := h.talk(g, "w")
	writer.publish("h.a", 1, 1)
	if rest := second.lives(); len(rest) > 0 {
		t.Errorf("got %v", brief(rest...))
	}
}

// What was subscribed to and left until just before the end is what is restored, on another gateway; what a pattern missed is not known.
func TestSessionHasTheLatestSubscriptions(t *testing.T) {
	t.Parallel()
	h := withSessions(t, 2, 1)
	first, details := h.resume(h.gateway[0], "r", "")
	first.subscribe("h.a", "h.b", "plain")
	time.Sleep(written)
	first.ask(unsubscribe("u", "h.b", "plain"))
	first.subscribe("h.c", "h.*", "b.>")
	if err := first.conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = first.conn.Close()
	writer := h.talk(h.gateway[1], "w")
	writer.publish("h.c", 1, 2)
	second, details := h.resume(h.gateway[1], "r", details.Get("session_id").Str)
	var topics []string
	for _, topic := range details.Get("topics").Array() {
		topics = append(topics, topic.Str)
	}
	if !details.Get("resumed").Bool() || len(topics) != 4 || strings.Contains(strings.Join(topics, " "), "h.b") {
		t.Fatalf("welcomed with %s", details.Raw)
	}
	positions := details.Get("positions").Map()
	for name, whole := range map[string]bool{"h.a": true, "h.c": true, "h.*": false} {
		if p := positions[name]; p.Get("recovered").Bool() != whole || !whole && (p.Get("offset").Int() != 0 || p.Get("epoch").Str != "") {
			t.Errorf("%s is at %s", name, p.Raw)
		}
	}
	second.takes("h.c", 1, 2)
	writer.publish("h.b", 1, 1) // by the pattern
	second.takes("h.b", 1, 1)
	if rest := second.lives(); len(rest) > 0 {
		t.Errorf("got %v", brief(rest...))
	}
}

// Two tabs whose tokens name one session both stay, until one of them asks for it.
func TestSessionOfTheToken(t *testing.T) {
	t.Parallel()
	h := withSessions(t, 2, 1)
	token := h.mint(auth.TokenSpec{User: "r", TTL: time.Hour, SessionID: "of the token"})
	one, details := h.welcomedBy(h.gateway[0], token, "")
	time.Sleep(written)
	two, other := h.welcomedBy(h.gateway[1], token, "")
	for _, d := range []gjson.Result{details, other} {
		if d.Get("session_id").Str != "of the token" || d.Get("resumed").Bool() {
			t.Errorf("welcomed with %s", d.Raw)
		}
	}
	two.subscribe("h.a")
	time.Sleep(900 * time.Millisecond)
	one.lives()
	two.lives()
	three, details := h.welcomedBy(h.gateway[0], token, "of%20the%20token")
	if !details.Get("resumed").Bool() || details.Get("topics.0").Str != "h.a" {
		t.Errorf("welcomed with %s", details.Raw)
	}
	if _, code := two.end(); code != int(protocol.CloseResumed) {
		t.Errorf("the former connection was closed with %d", code)
	}
	three.lives()
	one.lives()
}

// A session ends SESSION_TTL after its connection.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	h := withSessions(t, 1, 1)
	s := h.sessionStore("")
	g := h.addGateway(func(c *gateway.Config) { c.Store, c.SessionTTL = s, time.Second })
	off := h.addGateway(nil)
	k, details := h.resume(g, "r", "")
	k.subscribe("plain")
	time.Sleep(2500 * time.Millisecond) // it lives as long as its connection
	k.lives()
	k.close()
	k, again := h.resume(g, "r", details.Get("session_id").Str)
	if !again.Get("resumed").Bool() {
		t.Errorf("welcomed with %s", again.Raw)
	}
	k.close()
	time.Sleep(4 * time.Second)
	if _, again = h.resume(g, "r", details.Get("session_id").Str); again.Get("resumed").Bool() {
		t.Errorf("welcomed with %s", again.Raw)
	}
	k, again = h.resume(off, "r", details.Get("session_id").Str)
	if again.Get("resumed").Bool() {
		t.Errorf("without sessions: welcomed with %s", again.Raw)
	}
	k.subscribe("h.a")
	h.talk(off, "w").publish("h.a", 1, 2)
	k.takes("h.a", 1, 2)
}

// sessionStore opens a store for sessions.
func (h *harness) sessionStore(url string) *store.Store {
	h.t.Helper()
	s, err := store.Open(h.t.Context(), store.Config{URL: url, Role: "test", Log: zap.NewNop()})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(s.Close)
	h.run(nil, func(stop, _ context.Context) error { return s.Run(stop) })
	return s
}

// While Redis is away, clients are let in at once, without their sessions. When it is back, sessions of those who are there can be
// resumed.
func TestSessionsWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := miniredis.NewMiniRedis()
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Close)
	h := startWith(t, kept(), 0, 1, nil)
	h.addPresence()
	s := h.sessionStore("redis://" + redis.Addr())
	for range 2 {
		h.addGateway(func(c *gateway.Config) { c.Store, c.SessionTTL = s, time.Minute })
	}
	first, details := h.resume(h.gateway[0], "r", "")
	session := details.Get("session_id").Str
	first.subscribe("h.a")
	writer := h.talk(h.gateway[0], "w")
	writer.publish("h.a", 1, 3)
	first.takes("h.a", 1, 3)
	time.Sleep(written)
	redis.Close()
	for range 3 {
		began := time.Now()
		k, details := h.resume(h.gateway[1], "r", session)
		if took := time.Since(began); took > 2*time.Second || details.Get("resumed").Bool() {
			t.Errorf("after %v welcomed with %s", took, details.Raw)
		}
		k.subscribe("h.a")
		k.lives()
		_ = k.conn.Close()
	}
	first.lives()
	first.subscribe("plain")
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	h.eventually(func() bool {
		k, details := h.resume(h.gateway[1], "r", session)
		if !details.Get("resumed").Bool() {
			_ = k.conn.Close()
			time.Sleep(100 * time.Millisecond)
			return false
		}
		if details.Get("topics.#").Int() != 2 {
			t.Errorf("welcomed with %s", details.Raw)
		}
		return true
	})
	if _, code := first.end(); code != int(protocol.CloseResumed) {
		t.Errorf("the former connection was closed with %d", code)
	}
}

// Who was cut off as too slow resumes, and gets everything.
func TestSlowClientResumes(t *testing.T) {
	t.Parallel()
	h := withSessions(t, 2, 1)
	slow := h.talkSmall(h.gateway[0], "r") // takes the welcome
	reply, _ := slow.ask(subscribe("s", "h.a"))
	epoch := position(reply, "h.a").Get("epoch").Str
	writer := h.talk(h.gateway[1], "w")
	time.Sleep(written)
	sent := 0
	for ; h.ended(h.gateway[0], "slow") == 0; sent += 20 {
		if sent > 900 {
			t.Fatal("a client that does not read was not closed")
		}
		epoch = writer.fill("h.a", sent+1, sent+20, strings.Repeat("x", 10000))
	}
	got, code := slow.end()
	if code != int(protocol.CloseSlow) {
		t.Fatalf("closed with %d", code)
	}
	last := int64(len(got))
	for i, m := range got {
		if m.Get("data.metadata.offset").Int() != int64(i+1) {
			t.Fatalf("message %d is %.200s", i+1, m.Raw)
		}
	}
	k, details := h.resume(h.gateway[1], "r", slow.session)
	if p := details.Get("positions").Map()["h.a"]; !details.Get("resumed").Bool() || !p.Get("recovered").Bool() || p.Get("epoch").Str != epoch {
		t.Fatalf("welcomed with %s", details.Raw)
	}
	for at := int64(0); at < int64(sent); {
		n := k.next().Get("data.metadata.offset").Int()
		if at == 0 && n > last+1 || at > 0 && n != at+1 {
			t.Fatalf("message %d came, after %d, and before the end %d", n, at, last)
		}
		at = n
	}
	if rest := k.lives(); len(rest) > 0 {
		t.Errorf("got %v", brief(rest...))
	}
}

// A session has the rooms of its user. Out of those that the user was taken while it was away it is back when it resumes.
func TestSessionHasRooms(t *testing.T) {
	t.Parallel()
	h := withSessions(t, 2, 1)
	h.presence[0].stop()
	h.tunePresence = func(c *presence.Config) { c.RoomGrace = 500 * time.Millisecond }
	h.addPresence()
	h.eventually(func() bool { return h.gateway[0].PresenceReady() == nil && h.gateway[1].PresenceReady() == nil })
	owner := h.talk(h.gateway[0], "owner")
	h.eventually(func() bool {
		r, _ := owner.ask(`{"type":"CreateRoom","id":"c","data":{"room":"team"}}`)
		return r.Get("type").Str != "Error" || r.Get("data.code").Int() == 409
	})
	k, details := h.resume(h.gateway[0], "r", "")
	session := details.Get("session_id").Str
	k.do("JoinRoom", `{"room":"team"}`)
	k.subscribe("plain")
	time.Sleep(written)
	for i, wait := range []time.Duration{0, 2 * time.Second} {
		k.close()
		time.Sleep(wait)
		if k, details = h.resume(h.gateway[(i+1)%2], "r", session); !details.Get("resumed").Bool() || details.Get("rooms.0").Str != "team" {
			t.Fatalf("after %v welcomed with %s", wait, details.Raw)
		}
		owner.do("RoomMessage", `{"room":"team","payload":%d}`, i)
		if m := k.next(); m.Get("type").Str != "RoomMessage" || m.Get("data.payload").Int() != int64(i) {
			t.Fatalf("after %v got %s", wait, m.Raw)
		}
	}
	// A room that is no more is not part of it.
	k.close()
	owner.do("DeleteRoom", `{"room":"team"}`)
	if _, details = h.resume(h.gateway[0], "r", session); !details.Get("resumed").Bool() || details.Get("rooms.#").Int() != 0 || details.Get("topics.0").Str != "plain" {
		t.Errorf("welcomed with %s", details.Raw)
	}
}

// Frames that come with the handshake of a client that resumes are dealt with behind the welcome, and what it missed.
func TestResumeAndSpeakAtOnce(t *testing.T) {
	t.Parallel()
	h := withSessions(t, 1, 1)
	g := h.gateway[0]
	first, details := h.resume(g, "r", "")
	first.subscribe("h.a")
	first.close()
	h.talk(g, "w").publish("h.a", 1, 30)
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	k := newTalk(t, conn, nil)
	head := fmt.Sprintf("GET /ws?session=%s&token=%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		details.Get("session_id").Str, h.token("r"))
	var frames strings.Builder
	for _, m := range []string{unsubscribe("1", "none"), broadcast("m31", "h.a", "31")} {
		_ = ws.WriteFrame(&frames, ws.MaskFrame(ws.NewTextFrame([]byte(m))))
	}
	if _, err := conn.Write([]byte(head + frames.String())); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := k.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
	}
	if m := k.next(); !m.Get("data.details.resumed").Bool() {
		t.Fatalf("welcomed with %s", m.Raw)
	}
	at := int64(0)
	for replies := 0; at < 31 || replies < 2; {
		switch m := k.next(); m.Get("type").Str {
		case "Broadcast":
			if at++; m.Get("data.metadata.offset").Int() != at {
				t.Fatalf("instead of message %d came %s", at, m.Raw)
			}
		default:
			replies++
		}
	}
	if rest := k.lives(); len(rest) > 0 {
		t.Errorf("got %v", brief(rest...))
	}
}

// When a gateway drains, its clients go on elsewhere, with what they missed.
func TestSessionsOutliveADrain(t *testing.T) {
	t.Parallel()
	h := withSessions(t, 2, 1)
	writer := h.talk(h.gateway[0], "w")
	k, details := h.resume(h.gateway[1], "r", "")
	k.subscribe("h.a", "plain")
	writer.publish("h.a", 1, 5)
	k.takes("h.a", 1, 5)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		h.gateway[1].stop()
	}()
	if _, code := k.end(); code != int(protocol.CloseRestart) {
		t.Errorf("closed with %d", code)
	}
	_ = k.conn.Close()
	writer.publish("h.a", 6, 8)
	k, details = h.resume(h.gateway[0], "r", details.Get("session_id").Str)
	if !details.Get("resumed").Bool() || details.Get("topics.#").Int() != 2 {
		t.Fatalf("welcomed with %s", details.Raw)
	}
	<-stopped
	first := k.next().Get("data.metadata.offset").Int()
	if first > 6 {
		t.Fatalf("message %d came first", first)
	}
	k.takes("h.a", int(first)+1, 8)
}
