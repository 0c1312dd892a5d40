package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// post sends JSON, as the bearer of a token where that is not empty.
func post(t *testing.T, addr, path, token string, body any) (code int, answer gjson.Result) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, gjson.ParseBytes(b)
}

// TestTokenLifecycle: a client whose tokens live for 4 s stays for several lives of them, misses nothing, and is thrown out in the end.
func TestTokenLifecycle(t *testing.T) {
	t.Parallel()
	const lives = 3
	env := []string{"JWT_SECRET=" + secret}
	p := launch(t, append(env, "PORT=0", "HOST=127.0.0.1", "DATA_DIR="+t.TempDir(), "JWT_LEEWAY=0s", "LOG_LEVEL=debug"))
	addr := p.address()
	await(t, addr, "/readyz", 200)
	mint := func(args ...string) string {
		code, stdout, stderr := runBinary(t, env, append([]string{"token"}, args...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		return strings.TrimSpace(stdout)
	}
	pair := gjson.Parse(mint("-user=alice", "-ttl=4s", "-refresh"))
	expiring := make(chan gjson.Result, 10)
	var payloads []string
	alice, err := client.Dial(t.Context(), "ws://"+addr+"/ws", pair.Get("access_token").Str, client.Options{
		Deliver: func(d client.Delivery) { payloads = append(payloads, d.Payload) },
		Other: func(m client.Message) {
			if m.Type == "AuthStatus" {
				expiring <- gjson.Parse(m.Data)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Subscribe(t.Context(), "news"); err != nil {
		t.Fatal(err)
	}
	bob, err := client.Dial(t.Context(), "ws://"+addr+"/ws", mint("-user=bob", "-ttl=1h"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Abort()

	sent, begin := 0, time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for refreshed := 0; refreshed < lives; {
		select {
		case m := <-expiring:
			left := time.Until(time.UnixMilli(m.Get("expires_at").Int()))
			if m.Get("status").Str != "token_expiring" || !m.Get("refresh_required").Bool() || left > 2500*time.Millisecond || left < -time.Second {
				t.Errorf("told %s, %v before the end", m.Raw, left)
			}
			code, next := post(t, addr, "/sessions/refresh", "", map[string]string{"refresh_token": pair.Get("refresh_token").Str})
			if code != 200 {
				t.Fatalf("%d %s", code, next.Raw)
			}
			pair = next
			data, _ := json.Marshal(map[string]string{"token": pair.Get("access_token").Str})
			r, err := alice.Request(t.Context(), "RefreshToken", string(data))
			if err != nil || gjson.Get(r.Data, "status").Str != "token_refreshed" {
				t.Fatalf("%+v, %v", r, err)
			}
			refreshed++
		case <-tick.C:
			if _, err := bob.Broadcast(t.Context(), "news", strconv.Itoa(sent)); err != nil {
				t.Fatal(err)
			}
			sent++
		case <-alice.Done():
			t.Fatalf("closed after %v: %v", time.Since(begin), alice.Err())
		}
	}
	if err := alice.Ping(t.Context()); err != nil { // behind all that was sent
		t.Fatal(err)
	}

	operator := mint("-user=root", "-permissions=realtime.admin")
	if code, answer := post(t, addr, "/admin/disconnect", mint("-user=eve"), map[string]string{"user": "alice"}); code != 403 {
		t.Errorf("%d %s", code, answer.Raw)
	}
	if code, answer := post(t, addr, "/admin/disconnect", operator, map[string]string{"user": "alice"}); code != 200 {
		t.Errorf("%d %s", code, answer.Raw)
	}
	select {
	case <-alice.Done():
	case <-time.After(patience):
		t.Fatal("not disconnected")
	}
	if alice.CloseCode() != 4403 {
		t.Errorf("closed %d", alice.CloseCode())
	}
	for i, text := range payloads {
		if text != strconv.Itoa(i) {
			t.Fatalf("message %d is %s", i, text)
		}
	}
	if len(payloads) != sent {
		t.Errorf("%d of %d messages came", len(payloads), sent)
	}

	// A user whose tokens are revoked gets no more of them.
	if code, answer := post(t, addr, "/admin/revoke", operator, map[string]string{"token": pair.Get("access_token").Str}); code != 200 && code != 400 {
		t.Errorf("%d %s", code, answer.Raw) // 400: expired meanwhile
	}
	if code, answer := post(t, addr, "/admin/revoke", operator, map[string]string{"user": "alice"}); code != 200 {
		t.Errorf("%d %s", code, answer.Raw)
	}
	if code, answer := post(t, addr, "/sessions/refresh", "", map[string]string{"refresh_token": pair.Get("refresh_token").Str}); code != 401 {
		t.Errorf("%d %s", code, answer.Raw)
	}
	_, info := get(t, addr, "/info")
	_, numbers := get(t, addr, "/metrics")
	for name, text := range map[string]string{"/info": info, "/metrics": numbers, "the log": p.stderr.String() + p.stdout.String()} {
		if strings.Contains(text, "eyJ") || strings.Contains(text, secret) {
			t.Errorf("%s holds a token or the secret", name)
		}
	}
}
