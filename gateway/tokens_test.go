package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

// renewal is a RefreshToken.
func renewal(id, token string) string {
	return fmt.Sprintf(`{"type":"RefreshToken","id":%q,"data":{"token":%q}}`, id, token)
}

// turnedAway is the answer to a handshake that is not let in.
type turnedAway struct {
	code   int
	header http.Header
	body   gjson.Result
}

// turnsAway does a handshake, and sees to it that it is refused.
func (h *harness) turnsAway(g *gatewayNode, token string, headers ...string) turnedAway {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://"+g.addr+"/ws", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	headers = append(headers, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13",
		"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	once := &http.Transport{DisableKeepAlives: true}
	answer, err := once.RoundTrip(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		h.t.Fatal("let in")
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || gjson.GetBytes(body, "code").Int() != int64(answer.StatusCode) || gjson.GetBytes(body, "message").Str == "" {
		h.t.Errorf("%d: %s, %v", answer.StatusCode, body, err)
	}
	return turnedAway{answer.StatusCode, answer.Header, gjson.ParseBytes(body)}
}

// A connection goes on with another token: past the end of its first, and all that it subscribed to with it.
func TestRefreshToken(t *testing.T) {
	t.Parallel()
	h := start(t, 1, 1, nil)
	g := h.gateway[0]
	k := h.talkBy(g, h.mint(auth.TokenSpec{User: "alice", TTL: 3 * time.Second}))
	k.subscribe("a", "b.*")
	if m := k.next(); m.Get("type").Str != "AuthStatus" || m.Get("data.status").Str != "token_expiring" || !m.Get("data.refresh_required").Bool() {
		t.Fatalf("got %s", m.Raw)
	}
	end := time.Now().Add(time.Hour)
	r, _ := k.ask(renewal("r", h.mint(auth.TokenSpec{User: "alice", TTL: time.Hour})))
	at := time.UnixMilli(r.Get("data.details.expires_at").Int())
	if r.Get("data.status").Str != "token_refreshed" || at.Sub(end).Abs() > 2*time.Second || r.Get("data.details.unsubscribed").Exists() {
		t.Fatalf("got %s", r.Raw)
	}
	writer := h.talk(g, "bob")
	for n := range 8 { // for longer than the first token lived
		writer.send(broadcast("", "a", fmt.Sprint(n)), broadcast("", "b.c", fmt.Sprint(n)))
		for range 2 {
			if m := k.next(); m.Get("type").Str != "Broadcast" || m.Get("data.payload").Int() != int64(n) {
				t.Fatalf("got %s", m.Raw)
			}
		}
		time.Sleep(500 * time.Millisecond)
	}
	k.lives()
}

// What cannot take the place of a token leaves it where it is.
func TestRefreshTokenRefused(t *testing.T) {
	t.Parallel()
	h := start(t, 1, 1, nil)
	k := h.talk(h.gateway[0], "alice")
	for _, tt := range []struct {
		data string
		code int64
	}{
		{`{}`, 400}, {`{"token":1}`, 400}, {`{"token":null}`, 400}, {`{"token":""}`, 401}, {`{"token":"x.y.z"}`, 401},
		{fmt.Sprintf(`{"token":%q}`, h.mint(auth.TokenSpec{User: "alice", TTL: time.Minute, Now: time.Now().Add(-time.Hour)})), 401},
		{fmt.Sprintf(`{"token":%q}`, h.token("bob")), 403},
		{fmt.Sprintf(`{"token":%q}`, strings.Repeat("x", 9000)), 401},
	} {
		r, _ := k.ask(say("RefreshToken", "r", tt.data))
		if r.Get("type").Str != "Error" || r.Get("data.code").Int() != tt.code {
			t.Errorf("%.60s: got %s, want Error %d", tt.data, r.Raw, tt.code)
		}
		if strings.Contains(r.Raw, "eyJ") {
			t.Errorf("the answer holds a token: %s", r.Raw)
		}
	}
	k.lives()
	if r, _ := k.ask(renewal("r", h.token("alice"))); r.Get("data.status").Str != "token_refreshed" {
		t.Errorf("got %s", r.Raw)
	}
}

// The rights of the new token are those of the connection from its answer on: what they do not cover ends, and is named.
func TestRefreshTokenChangesRights(t *testing.T) {
	t.Parallel()
	h := start(t, 1, 1, nil)
	g := h.gateway[0]
	with := func(grants *topic.Grants) string {
		return h.mint(auth.TokenSpec{User: "alice", TTL: time.Hour, Topics: grants})
	}
	k := h.talkBy(g, with(&topic.Grants{Publish: []string{"a"}, Subscribe: []string{"a", "b.>", "c"}}))
	k.subscribe("a", "b.*", "b.x", "c")
	if r, _ := k.ask(broadcast("1", "b.x", `1`)); r.Get("data.code").Int() != 403 {
		t.Errorf("got %s", r.Raw)
	}
	r, _ := k.ask(renewal("r", with(&topic.Grants{Publish: []string{"b.x"}, Subscribe: []string{"a", "d"}})))
	gone := make(map[string]bool)
	for _, name := range r.Get("data.details.unsubscribed").Array() {
		gone[name.Str] = true
	}
	if len(gone) != 3 || !gone["b.*"] || !gone["b.x"] || !gone["c"] {
		t.Fatalf("got %s", r.Raw)
	}
	if r, _ := k.ask(subscribe("2", "c")); r.Get("data.code").Int() != 403 {
		t.Errorf("got %s", r.Raw)
	}
	if r, _ := k.ask(broadcast("3", "b.x", `1`)); r.Get("type").Str != "Ack" {
		t.Errorf("got %s", r.Raw)
	}
	k.subscribe("d")
	writer := h.talk(g, "bob")
	writer.send(broadcast("", "c", `1`), broadcast("", "b.x", `2`), broadcast("", "a", `3`), broadcast("", "d", `4`))
	if one, two := k.next().Get("data.payload").Int(), k.next().Get("data.payload").Int(); one+two != 7 || one*two != 12 {
		t.Errorf("got payloads %d and %d, want 3 and 4", one, two)
	}
	if r, _ := k.ask(unsubscribe("4", "a", "d")); r.Get("data.details.active_subscriptions").Int() != 0 {
		t.Errorf("got %s", r.Raw)
	}
}

// revoking is a cluster whose gateways have a Redis each of their own connection to revoke by.
func revoking(t *testing.T, gateways int) (*harness, []*store.Revocations) {
	t.Helper()
	return revokingWith(t, gateways, func(*gateway.Config) {})
}

func revokingWith(t *testing.T, gateways int, tune func(*gateway.Config)) (*harness, []*store.Revocations) {
	t.Helper()
	redis := miniredis.RunT(t)
	h := start(t, 0, 1, nil)
	h.addPresence()
	var list []*store.Revocations
	for range gateways {
		s := h.sessionStore("redis://" + redis.Addr())
		r := store.NewRevocations(s, time.Hour)
		list = append(list, r)
		h.addGateway(func(c *gateway.Config) {
			c.Store, c.SessionTTL, c.Revocations = s, time.Minute, r
			tune(c)
		})
		h.run(nil, func(stop, _ context.Context) error { return r.Run(stop) })
	}
	h.settled()
	for _, g := range h.gateway {
		h.eventually(func() bool { return g.Ready() == nil })
	}
	return h, list
}

// What is revoked at one gateway is so at all within a second: open connections end, and no new one is let in.
func TestRevoked(t *testing.T) {
	t.Parallel()
	h, revocations := revoking(t, 2)
	issued := time.Now().Add(-time.Minute)
	mint := func(user, id string) string {
		return h.mint(auth.TokenSpec{User: user, ID: id, TTL: time.Hour, Now: issued})
	}
	pair, err := auth.MintPair(secret, auth.TokenSpec{User: "carol", TTL: time.Hour, Now: issued}, 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	family := pair.Access.Reveal()
	for _, tt := range []struct {
		name   string
		what   store.Revocation
		ends   string // the token of the connections that end
		stays  string
		former string // the message
	}{
		{"token", store.Revocation{Kind: store.KindToken, Name: "id-1"}, mint("alice", "id-1"), mint("alice", "id-2"), "revoked"},
		{"user", store.Revocation{Kind: store.KindUser, Name: "bob"}, mint("bob", ""), mint("bobby", ""), "revoked"},
		{"family", store.Revocation{Kind: store.KindFamily, Name: pair.Family}, family, mint("carol", ""), "revoked"},
	} {
		var end, stay []*talk
		for _, g := range h.gateway {
			end, stay = append(end, h.talkBy(g, tt.ends)), append(stay, h.talkBy(g, tt.stays))
		}
		begin := time.Now()
		if err := revocations[0].Revoke(t.Context(), tt.what); err != nil {
			t.Fatal(err)
		}
		for i, k := range end {
			messages, code := k.end()
			if took := time.Since(begin); took > time.Second {
				t.Errorf("%s: gateway %d took %v", tt.name, i, took)
			}
			if len(messages) != 1 || messages[0].Get("data.code").Int() != 401 || !strings.Contains(messages[0].Raw, "revoked") || code != 4401 {
				t.Errorf("%s: gateway %d: got %v, closed %d", tt.name, i, messages, code)
			}
		}
		for i, g := range h.gateway {
			stay[i].lives()
			if no := h.turnsAway(g, tt.ends); no.code != 401 || !strings.Contains(no.body.Raw, "revoked") {
				t.Errorf("%s: gateway %d: %+v", tt.name, i, no)
			}
			if r, _ := stay[i].ask(renewal("r", tt.ends)); r.Get("data.code").Int() != 401 && r.Get("data.code").Int() != 403 {
				t.Errorf("%s: gateway %d takes it for another token: %s", tt.name, i, r.Raw)
			}
			stay[i].lives()
		}
	}
	// Who signs in again is welcome.
	h.talkBy(h.gateway[1], h.token("bob")).lives()
}

// An operator's order ends all connections of a user, 4403, and their sessions with them; tokens stay good.
func TestDisconnected(t *testing.T) {
	t.Parallel()
	h, revocations := revoking(t, 2)
	var list []*talk
	var sessions []string
	for range 2 {
		for _, g := range h.gateway {
			k, details := h.resume(g, "alice", "")
			k.subscribe("a")
			list, sessions = append(list, k), append(sessions, details.Get("session_id").Str)
		}
	}
	other := h.talk(h.gateway[1], "bob")
	begin := time.Now()
	if err := revocations[0].Revoke(t.Context(), store.Revocation{Kind: store.KindDisconnect, Name: "alice"}); err != nil {
		t.Fatal(err)
	}
	for i, k := range list {
		if messages, code := k.end(); code != 4403 || len(messages) != 0 || time.Since(begin) > time.Second {
			t.Errorf("connection %d: closed %d after %v with %v", i, code, time.Since(begin), messages)
		}
	}
	other.lives()
	for i, id := range sessions { // at once, and when it is written
		k, details := h.resume(h.gateway[i%2], "alice", id)
		if details.Get("resumed").Bool() || details.Get("session_id").Str == id || len(details.Get("topics").Array()) != 0 {
			t.Errorf("session %d was resumed: %s", i, details.Raw)
		}
		k.lives()
	}
	time.Sleep(time.Second)
	for i, g := range h.gateway { // those who came after the order stay
		if n := h.ended(g, "disconnected"); n != 2 {
			t.Errorf("%v of gateway %d were disconnected", n, i)
		}
	}
}

// A welcome says what this server can do.
func TestRefreshIsAFeature(t *testing.T) {
	t.Parallel()
	h := start(t, 1, 1, nil)
	k := h.open(h.gateway[0], h.token("alice"))
	found := false
	k.next().Get("data.details.features").ForEach(func(_, f gjson.Result) bool {
		found = found || f.Str == "refresh"
		return true
	})
	if !found {
		t.Error("refresh is not among the features")
	}
}
