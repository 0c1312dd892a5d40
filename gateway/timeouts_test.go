package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/auth"
)

// A client that answers pings may be quiet for as long as it likes; one that does not is
// pinged, and closed 4408.
func TestQuietAndDeadClients(t *testing.T) {
	const timeout = 700 * time.Millisecond
	h := start(t, 1, 1, func(c *gateway.Config) { c.HeartbeatInterval, c.ClientTimeout = 300*time.Millisecond, timeout })
	g := h.gateway[0]
	quiet, _ := h.dial(g, "alice") // answers pings by itself
	for range 3 {
		k := h.talk(g, "bob")
		begin := time.Now()
		pings := 0
		for k.code == 0 {
			f, err := k.read()
			if err != nil {
				t.Fatal(err)
			}
			switch f.Header.OpCode {
			case ws.OpPing:
				pings++
			case ws.OpClose:
			default:
				t.Fatalf("got %q", f.Payload)
			}
		}
		// A tick of 250 ms may be nearly over when the connection opens.
		if took := time.Since(begin); k.code != 4408 || pings == 0 || took < timeout-300*time.Millisecond {
			t.Errorf("closed %d after %v and %d pings", k.code, took, pings)
		}
	}
	if quiet.CloseCode() != 0 || quiet.Ping(t.Context()) != nil {
		t.Errorf("a client that answers pings was closed: %v", quiet.Err())
	}
	if n := h.ended(g, "timeout"); n != 3 {
		t.Errorf("%v connections ended by the timeout", n)
	}
}

// When a token expires, its connection is told before, gets Error 401 and is closed 4401; others stay.
func TestTokenExpires(t *testing.T) {
	h := start(t, 1, 1, nil)
	g := h.gateway[0]
	other := h.talk(g, "alice")
	expires := time.Now().Add(2 * time.Second)
	k := h.talkBy(g, h.mint(auth.TokenSpec{User: "alice", TTL: 2 * time.Second}))
	k.subscribe("a")
	messages, code := k.end()
	if len(messages) != 2 || messages[0].Get("data.status").Str != "token_expiring" || messages[1].Get("type").Str != "Error" ||
		messages[1].Get("data.code").Int() != 401 || !strings.Contains(messages[1].Get("data.message").Str, "expired") || code != 4401 {
		t.Errorf("got %v, closed %d", messages, code)
	}
	if late := time.Since(expires); late < -time.Second || late > 3*time.Second {
		t.Errorf("closed %v after its end", late)
	}
	other.lives()
}
