package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/pkg/auth"
)

// TestNothingSecret: whatever is said at the most talkative level, no token, no secret and no
// password is among it, be the token good, bad or in any of its three places.
func TestNothingSecret(t *testing.T) {
	t.Parallel()
	const password = "open-sesame-4711"
	nats := startNATS(t, "--user", "realtime", "--pass", password)
	env := []string{
		"JWT_SECRET=" + secret, "PORT=0", "LOG_LEVEL=debug",
		"NATS_URL=nats://realtime:" + password + "@" + nats, "REDIS_URL=redis://:" + password + "@localhost:6379",
		"JWT_JWKS_URL=http://realtime:" + password + "@127.0.0.1:1/keys?key=" + password, // nobody is there
	}
	processes := []*process{launch(t, env, "router"), launch(t, env, "presence"), launch(t, env, "gateway"), launch(t, env, "all")}
	said := make(map[string]string) // what clients and operators see, by where
	secrets := []string{secret, password, url.QueryEscape(password)}

	now := time.Now()
	spec := auth.TokenSpec{User: "alice", TTL: time.Hour}
	old := auth.TokenSpec{User: "alice", TTL: time.Minute, Now: now.Add(-time.Hour)}
	signed := func(by auth.Secret, spec auth.TokenSpec) string {
		token, err := auth.Mint(by, spec)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := signed(secret, spec)
	pair, err := auth.MintPair(secret, spec, 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{
		"good":    good,
		"forged":  signed("another secret, just as long as ours", spec),
		"expired": signed(secret, old),
		"refresh": pair.Refresh.Reveal(),
		"broken":  strings.ReplaceAll(good, ".", "x"),
		"cut off": good[:len(good)-10],
		"endless": strings.Repeat("e", 7000),
		"huge":    strings.Repeat("h", 9000), // more than a request's head may be
	}
	for _, p := range processes[2:] {
		addr := p.address()
		for name, token := range tokens {
			for place, at := range map[string]client.TokenPlace{
				"header": client.TokenInHeader, "subprotocol": client.TokenInSubprotocol, "query": client.TokenInQuery,
			} {
				where := p.cmd.String() + ", " + name + " token in the " + place
				c, err := client.Dial(t.Context(), "ws://"+addr+"/ws", token, client.Options{TokenBy: at})
				switch refused := new(client.HandshakeError); {
				case err == nil:
					_, _ = c.Request(t.Context(), "Nonsense "+token, `{"token":"`+token+`"}`)
					_ = c.Close()
					if name != "good" {
						t.Errorf("%s: let in", where)
					}
				case name == "good":
					t.Errorf("%s: %v", where, err)
				case errors.As(err, &refused):
					said[where] = string(refused.Body)
				}
			}
			secrets = append(secrets, token, token[strings.LastIndexByte(token, '.')+1:])
			said[name+" /sessions/refresh"] = refreshed(t, addr, token, &secrets)
			// Not a WebSocket request, and not for /ws.
			_, said[name+" /ws"] = get(t, addr, "/ws?token="+token[:min(len(token), 7000)])
			_, said[name+" /"] = get(t, addr, "/?token="+token[:min(len(token), 7000)])
		}
	}
	for _, p := range processes {
		addr := p.address()
		for _, path := range []string{"/info", "/metrics", "/health", "/readyz"} {
			_, said[p.cmd.String()+path] = get(t, addr, path)
		}
	}
	for _, p := range processes {
		p.terminate(patience)
		said[p.cmd.String()+" stdout"], said[p.cmd.String()+" stderr"] = p.stdout.String(), p.stderr.String()
	}
	// Starts that fail.
	_, _, said["wrong password"] = runBinary(t, append(env, "NATS_URL=nats://realtime:"+password+"x@"+nats), "router")
	_, _, said["no server"] = runBinary(t, append(env, "NATS_URL=nats://realtime:"+password+"@127.0.0.1:1", "NATS_CONNECT_TIMEOUT=100ms"), "router")
	_, _, said["no URL"] = runBinary(t, append(env, "NATS_URL=nats://realtime:"+password+"@[::1"), "router")
	_, _, said["no Redis URL"] = runBinary(t, append(env, "REDIS_URL=http://:"+password+"@localhost"), "router")
	_, _, said["short secret"] = runBinary(t, append(env, "JWT_SECRET="+password))
	_, _, said["bad flag"] = runBinary(t, env, "-jwt-secret="+password)
	_, _, said["bad token command"] = runBinary(t, env, "token", "-user=")

	_, _, said["short life"] = runBinary(t, env, "token", "-user=alice", "-refresh", "-refresh-token-ttl=1m")

	for where, text := range said {
		if text == "" && !strings.HasSuffix(where, "stdout") {
			t.Errorf("%s: nothing said", where)
		}
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %.20q… is in\n%s", where, secret, text)
			}
		}
	}
}

// refreshed is what a gateway answers to a refresh token. The tokens of a pair are secrets, and not part of it.
func refreshed(t *testing.T, addr, token string, secrets *[]string) string {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"refresh_token": token})
	resp, err := http.Post("http://"+addr+"/sessions/refresh", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var pair struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(text, &pair); err != nil || pair.Access == "" {
		return resp.Status + string(text)
	}
	*secrets = append(*secrets, pair.Access, pair.Refresh)
	return resp.Status
}
