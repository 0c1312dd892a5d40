package e2e_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// issuer is an identity provider: keys by their IDs, and a server that publishes those it is told to.
type issuer struct {
	keys      map[string]ed25519.PrivateKey
	addr      string
	published atomic.Pointer[[]string]
	server    *http.Server
}

func (i *issuer) start(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", i.addr)
	if err != nil {
		t.Fatal(err)
	}
	i.addr = ln.Addr().String()
	i.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var set struct {
			Keys []map[string]string `json:"keys"`
		}
		for _, id := range *i.published.Load() {
			set.Keys = append(set.Keys, map[string]string{
				"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": id,
				"x": base64.RawURLEncoding.EncodeToString(i.keys[id].Public().(ed25519.PublicKey)),
			})
		}
		_ = json.NewEncoder(w).Encode(set)
	})}
	go func() { _ = i.server.Serve(ln) }()
}

func (i *issuer) token(t *testing.T, id string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = id
	text, err := token.SignedString(i.keys[id])
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestKeyServerAway: while the key server is away, tokens that are signed with known keys are let in, others refused
// at once, connections stay, and /health says so; when it is back, its new keys count.
func TestKeyServerAway(t *testing.T) {
	t.Parallel()
	i := &issuer{addr: "127.0.0.1:0", keys: make(map[string]ed25519.PrivateKey)}
	for _, id := range []string{"old", "new"} {
		_, i.keys[id], _ = ed25519.GenerateKey(nil)
	}
	i.published.Store(&[]string{"old"})
	i.start(t)
	p := launch(t, []string{"PORT=0", "DATA_DIR=" + t.TempDir(), "JWT_JWKS_URL=http://" + i.addr + "/keys"}, "all")
	addr := p.address()
	dial := func(id string) (*client.Client, int) {
		t.Helper()
		c, err := client.Dial(t.Context(), "ws://"+addr+"/ws", i.token(t, id), client.Options{})
		if no, ok := errors.AsType[*client.HandshakeError](err); ok {
			return nil, no.Status
		}
		if err != nil {
			t.Fatal(err)
		}
		return c, 101
	}
	first, code := dial("old")
	if code != 101 {
		t.Fatalf("a known key gets %d", code)
	}
	defer first.Close()

	_ = i.server.Close()
	// An unknown key makes the gateway ask, and learn that nobody is there. Once that is known, none waits for it.
	deadline := time.Now().Add(patience)
	for state := ""; state != "unhealthy"; {
		if _, code := dial("new"); code != 401 {
			t.Fatalf("an unknown key gets %d", code)
		}
		_, _, parts := health(t, addr)
		if state = parts["jwks"].Status; time.Now().After(deadline) {
			t.Fatalf("jwks is %q", state)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if code, status, _ := health(t, addr); code != 200 || status != "degraded" {
		t.Errorf("/health: %d %s", code, status)
	}
	await(t, addr, "/readyz", 200)
	if second, code := dial("old"); code != 101 {
		t.Errorf("a known key gets %d while the server is away", code)
	} else {
		_ = second.Close()
	}
	if err := first.Ping(t.Context()); err != nil {
		t.Errorf("an open connection: %v", err)
	}
	_, metrics := get(t, addr, "/metrics")
	if !strings.Contains(metrics, `realtime_breaker_state{dependency="jwks",role="gateway"} 2`) {
		t.Error("the circuit is not said to be open")
	}

	i.published.Store(&[]string{"old", "new"})
	i.start(t)
	for {
		c, code := dial("new")
		if code == 101 {
			_ = c.Close()
			break
		}
		if time.Now().After(deadline.Add(patience)) {
			t.Fatalf("a new key gets %d after the server is back", code)
		}
		time.Sleep(200 * time.Millisecond)
	}
	awaitStatus(t, addr, "healthy")
	_ = i.server.Close()
	p.terminate(patience)
}
