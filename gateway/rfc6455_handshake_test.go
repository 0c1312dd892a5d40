package gateway_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/auth"
)

// testHandshakes are opening handshakes (RFC 6455 section 4.2), and what PROTOCOL.md
// section 1 adds to them.
func testHandshakes(t *testing.T, h *harness) {
	addr := h.gateway[0].addr
	alice, bob, carol := h.token("alice"), h.token("bob"), h.token("carol")
	for _, c := range goodHeads(alice, bob, carol) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := dialPeer(t, addr)
			if got := p.upgrade(c.head).Header.Get("Sec-WebSocket-Protocol"); got != c.protocol {
				t.Errorf("subprotocol %q, want %q", got, c.protocol)
			}
			p.welcomed(c.user)
			lives(p)
		})
	}
	for _, c := range badHeads(h, alice) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := dialPeer(t, addr)
			p.write(c.head.bytes(), 0)
			r := p.refused(c.status)
			if version := r.Header.Get("Sec-WebSocket-Version"); c.status == 426 && version != "13" {
				t.Errorf("Sec-WebSocket-Version: %q", version)
			}
			if challenge := r.Header.Get("WWW-Authenticate"); c.status == 401 && challenge != "Bearer" {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
			p.ended()
		})
	}
	for _, c := range otherRequests() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := dialPeer(t, addr)
			p.write(c.head.bytes(), 0)
			p.refused(c.status)
		})
	}
	t.Run("segments", func(t *testing.T) { testSegments(t, addr, newHead(alice)) })
	t.Run("admission", func(t *testing.T) { testAdmission(t, h) })
}

// goodHeads are heads that open a connection, with the user whose token counts and the
// subprotocol that is selected.
func goodHeads(alice, bob, carol string) []goodHead {
	head, bare := newHead(alice), newHead("")
	const none = ""
	offer := func(list string) string { return "Sec-WebSocket-Protocol: " + list }
	return []goodHead{
		{"plain", head, "alice", none},
		{"names in lower case", head.named(strings.ToLower), "alice", none},
		{"names in upper case", head.named(strings.ToUpper), "alice", none},
		{"value of Upgrade in other case", head.replaced("Upgrade: WebSocket"), "alice", none},
		{"value of Connection in other case", head.replaced("Connection: uPGRADE"), "alice", none},
		{"Connection with more tokens", head.replaced("Connection: keep-alive, Upgrade"), "alice", none},
		{"no space after the colon", head.replaced("Upgrade:websocket"), "alice", none},
		{"much space around a value", head.replaced("Sec-WebSocket-Version: \t 13 \t"), "alice", none},
		{"fields in another order", rfcHead{head.line, []string{
			head.fields[5], head.fields[4], head.fields[3], head.fields[2], head.fields[1], head.fields[0],
		}}, "alice", none},
		{"fields that nobody knows", head.with("X-Forwarded-For: 10.0.0.1", "Cookie: a=b", "User-Agent: test"), "alice", none},
		{"an origin", head.with("Origin: https://anywhere.example"), "alice", none},
		{"extensions", head.with("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"), "alice", none},
		{"HTTP 1.2", head.asking("GET /ws HTTP/1.2"), "alice", none},
		{"a query", head.to("/ws?a=b&c"), "alice", none},
		{"an absolute target", head.to("http://realtime.example/ws"), "alice", none},
		{"an absolute target with a query", bare.to("http://realtime.example/ws?token=" + carol), "carol", none},
		{"head of 8 KiB", head.paddedTo(8 << 10), "alice", none},

		{"token: header before subprotocol and query", bare.to("/ws?token="+carol).with(offer("access_token."+bob), "Authorization: Bearer "+alice),
			"alice", "access_token." + bob},
		{"token: subprotocol before query", bare.to("/ws?token=" + carol).with(offer("access_token." + bob)), "bob", "access_token." + bob},
		{"token: query", bare.to("/ws?a=b&token=" + carol), "carol", none},
		{"token: scheme in lower case", bare.with("authorization: bearer " + alice), "alice", none},
		{"token: another scheme is not ours", bare.to("/ws?token=" + carol).with("Authorization: Basic YTpi"), "carol", none},

		{"subprotocol: ours", head.with(offer("realtime.v1")), "alice", "realtime.v1"},
		{"subprotocol: the token's, where ours is not offered", bare.with(offer("access_token." + bob)), "bob", "access_token." + bob},
		{"subprotocol: ours before the token's", bare.with(offer("access_token." + bob + ", realtime.v1")), "bob", "realtime.v1"},
		{"subprotocol: ours and the token's", bare.with(offer("realtime.v1,access_token." + bob)), "bob", "realtime.v1"},
		{"subprotocol: in two fields", bare.with(offer("access_token."+bob), offer("realtime.v1")), "bob", "realtime.v1"},
		{"subprotocol: among others", bare.with(offer("chat, access_token." + bob + ", superchat")), "bob", "access_token." + bob},
		{"subprotocol: only others", head.with(offer("chat, superchat")), "alice", none},
		{"subprotocol: the first of two tokens", bare.with(offer("access_token." + bob + ", access_token." + carol)), "bob", "access_token." + bob},
	}
}

type goodHead struct {
	name           string
	head           rfcHead
	user, protocol string
}

type badHead struct {
	name   string
	head   rfcHead
	status int
}

// badHeads are heads for /ws that open nothing.
func badHeads(h *harness, alice string) []badHead {
	head, bare := newHead(alice), newHead("")
	bearer := func(token string) rfcHead { return bare.with("Authorization: Bearer " + token) }
	expired := h.mint(auth.TokenSpec{User: "alice", TTL: time.Minute, Now: time.Now().Add(-time.Hour)})
	encode := base64.RawURLEncoding.EncodeToString
	unsigned := encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + strings.Split(alice, ".")[1] + "."
	const others = auth.Secret("a secret of somebody else, who is not asked")
	forged, err := auth.Mint(others, auth.TokenSpec{User: "alice", TTL: time.Hour, Now: time.Now()})
	if err != nil {
		h.t.Fatal(err)
	}
	return []badHead{
		{"no Host", head.without("Host"), 400},
		{"no Upgrade", head.without("Upgrade"), 400},
		{"no Connection", head.without("Connection"), 400},
		{"no key", head.without("Sec-WebSocket-Key"), 400},
		{"no version", head.without("Sec-WebSocket-Version"), 400},
		{"no fields", rfcHead{line: head.line}, 400},
		{"a page", rfcHead{head.line, []string{"Host: realtime.example", "Accept: text/html"}}, 400},
		{"another upgrade", head.replaced("Upgrade: h2c"), 400},
		{"Connection without Upgrade", head.replaced("Connection: keep-alive"), 400},
		{"key: empty", head.replaced("Sec-WebSocket-Key: "), 400},
		{"key: too short", head.replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"), 400},
		{"key: too long", head.replaced("Sec-WebSocket-Key: " + sampleKey + "AAAA"), 400},
		{"version 0", head.replaced("Sec-WebSocket-Version: 0"), 426},
		{"version 8", head.replaced("Sec-WebSocket-Version: 8"), 426},
		{"version 14", head.replaced("Sec-WebSocket-Version: 14"), 426},
		{"HTTP 1.0", head.asking("GET /ws HTTP/1.0"), 400},
		{"HTTP 2.0", head.asking("GET /ws HTTP/2.0"), 400},
		{"no HTTP version", head.asking("GET /ws "), 400},
		{"a field without colon", head.with("what is this"), 400},
		{"malformed query", head.to("/ws?token=%zz"), 400},
		{"head over 8 KiB", head.paddedTo(8<<10 + 1), 431},
		{"head far over 8 KiB", head.paddedTo(1 << 20), 431},

		{"token: none", bare, 401},
		{"token: no JWT", bearer("let.me.in"), 401},
		{"token: expired", bearer(expired), 401},
		{"token: unsigned", bearer(unsigned), 401},
		{"token: signed with another key", bearer(forged), 401},
		{"token: bad in the header, good in the subprotocol and the query",
			bearer(forged).to("/ws?token=" + alice).with("Sec-WebSocket-Protocol: access_token." + alice), 401},
		{"token: bad in the subprotocol, good in the query",
			bare.to("/ws?token=" + alice).with("Sec-WebSocket-Protocol: access_token." + forged), 401},
		{"token: bad in the query", bare.to("/ws?token=" + expired), 401},
	}
}

// otherRequests are heads for which net/http answers on the same port.
func otherRequests() []badHead {
	head := newHead("")
	return []badHead{
		{"POST", head.asking("POST /ws HTTP/1.1").with("Content-Length: 0"), 400},
		{"method in lower case", head.asking("get /ws HTTP/1.1"), 400},
		{"a path below", head.to("/ws/"), 404},
		{"a longer path", head.to("/wss"), 404},
		{"no path", head.to("/"), 404},
		{"an absolute target elsewhere", head.to("http://realtime.example/?x=/ws"), 404},
	}
}

// testAdmission is about a gateway that takes one connection, from one site, and has
// little patience.
func testAdmission(t *testing.T, h *harness) {
	const ours = "https://app.example"
	g := h.addGateway(func(cfg *gateway.Config) {
		cfg.MaxConnections, cfg.AllowedOrigins, cfg.HandshakeTimeout = 1, []string{ours}, 2*time.Second
	})
	h.eventually(func() bool { return g.Ready() == nil })
	head := newHead(h.token("alice"))

	p := dialPeer(t, g.addr)
	p.write(head.with("Origin: https://elsewhere.example").bytes(), 0)
	p.refused(http.StatusForbidden)
	p.ended()

	p = dialPeer(t, g.addr)
	p.upgrade(head.with("Origin: " + ours))
	p.welcomed("alice")

	late := dialPeer(t, g.addr)
	late.write(head.bytes(), 0)
	if r := late.refused(http.StatusServiceUnavailable); r.Header.Get("Retry-After") == "" {
		t.Error("503 at capacity without Retry-After")
	}
	late.ended()

	// Those whom it turns away leave room for more: it has a thousand places for them.
	for range 1200 {
		p := dialPeer(t, g.addr)
		p.write(head.bytes(), 0)
		p.refused(http.StatusServiceUnavailable)
		_ = p.conn.Close()
	}

	half := dialPeer(t, g.addr)
	half.write(head.bytes()[:100], 0)
	half.ended() // after HANDSHAKE_TIMEOUT
	lives(p)     // unhurt by all that
}
