package gateway_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/loadtest/client"
)

// At capacity a client is told to come back, operators are served as ever, and who is there
// notices nothing; a place that falls free is given away.
func TestAtCapacity(t *testing.T) {
	h := start(t, 1, 1, func(c *gateway.Config) { c.MaxConnections = 3 })
	g := h.gateway[0]
	there := []*talk{h.talk(g, "alice"), h.talk(g, "alice"), h.talk(g, "bob")}
	for range 5 {
		_, err := client.Dial(t.Context(), "ws://"+g.addr+"/ws", h.token("carol"), client.Options{})
		var refused *client.HandshakeError
		if !errors.As(err, &refused) {
			t.Fatalf("got %v", err)
		}
		body := gjson.ParseBytes(refused.Body)
		if refused.Status != 503 || refused.Header.Get("Retry-After") == "" || body.Get("code").Int() != 503 || body.Get("message").Str == "" {
			t.Errorf("got %v, Retry-After %q", refused, refused.Header.Get("Retry-After"))
		}
		pages := &http.Client{Transport: &http.Transport{}}
		for _, page := range []string{"/health", "/livez", "/readyz", "/metrics", "/info"} {
			if code, body := get(t, pages, "http://"+g.addr+page); code != 200 || len(body) == 0 {
				t.Errorf("%s: %d %s", page, code, body)
			}
		}
		if code, body := get(t, pages, "http://"+g.addr+"/ws"); code != 400 && code != 426 || gjson.Get(body, "code").Int() != int64(code) {
			t.Errorf("/ws by plain HTTP: %d %s", code, body)
		}
		pages.CloseIdleConnections()
	}
	for _, k := range there {
		k.lives()
	}
	_ = there[0].conn.Close()
	h.eventually(func() bool { return g.Open() == 2 })
	h.talk(g, "carol").lives()
}

// get fetches a page over a connection that is kept.
func get(t *testing.T, c *http.Client, url string) (code int, body string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}
