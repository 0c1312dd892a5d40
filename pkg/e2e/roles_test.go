package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// TestRoles: each role as a process of its own, with a NATS server as another.
func TestRoles(t *testing.T) {
	t.Parallel()
	c := cluster.StartTest(t, cluster.Spec{NATS: 1, Gateways: 1, Routers: 1, Presences: 1, Binary: binary})
	roles := []*cluster.Process{c.Presences[0], c.Routers[0], c.Gateways[0]}
	for _, p := range roles {
		checkPages(t, p)
	}

	got := make(chan client.Delivery, 10)
	draining := make(chan string, 1)
	bob := dial(t, c, "bob", client.Options{
		Deliver: func(d client.Delivery) { got <- d },
		Other:   func(m client.Message) { draining <- m.Data },
	})
	alice := dial(t, c, "alice", client.Options{})
	if _, err := bob.Subscribe(t.Context(), "chat.*"); err != nil {
		t.Fatal(err)
	}
	flows(t, alice, got, "before")

	// NATS goes: nobody is ready, nobody is dead, the sockets stay, and senders are told.
	if err := c.NATS[0].Kill(); err != nil {
		t.Fatal(err)
	}
	for _, p := range roles {
		await(t, host(p), "/readyz", 503)
		await(t, host(p), "/health", 503)
		if code, body := get(t, host(p), "/livez"); code != 200 {
			t.Errorf("%s without NATS: /livez %d %s", p.Name, code, body)
		}
	}
	if _, err := alice.Broadcast(t.Context(), "chat.a", `"nobody hears"`); client.Code(err) != 503 {
		t.Errorf("broadcast without NATS: %v", err)
	}
	if err := bob.Ping(t.Context()); err != nil {
		t.Errorf("ping without NATS: %v", err)
	}

	// NATS comes back: so does everything else, by itself, for the same connections.
	if err := c.NATS[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range roles {
		await(t, host(p), "/readyz", 200)
		await(t, host(p), "/health", 200)
	}
	flows(t, alice, got, "after")
	log, err := os.ReadFile(c.Gateways[0].LogFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"msg":"NATS connection lost".*"server":"nats-1"`, `"msg":"NATS connection restored".*"server":"nats-1"`} {
		if n := len(regexp.MustCompile(want).FindAll(log, -1)); n != 2 { // NATS_CONNECTIONS
			t.Errorf("%d lines with %s", n, want)
		}
	}

	for _, p := range roles {
		stop(t, p, patience)
	}
	<-bob.Done()
	select {
	case data := <-draining:
		if bob.CloseCode() != 1012 || !strings.Contains(data, `"draining"`) || !strings.Contains(data, `"reconnect_after_ms"`) {
			t.Errorf("told %s, then closed %d", data, bob.CloseCode())
		}
	default:
		t.Errorf("told nothing, and closed %d", bob.CloseCode())
	}
}

func host(p *cluster.Process) string { return fmt.Sprintf("127.0.0.1:%d", p.Port) }

// checkPages wants the operator's pages in every role.
func checkPages(t *testing.T, p *cluster.Process) {
	t.Helper()
	for _, path := range []string{"/health", "/livez", "/readyz", "/metrics"} {
		if code, body := get(t, host(p), path); code != 200 {
			t.Errorf("%s: %s: %d %s", p.Name, path, code, body)
		}
	}
	var info struct{ Role, Node string }
	_, body := get(t, host(p), "/info")
	if err := json.Unmarshal([]byte(body), &info); err != nil || info.Role != string(p.Role) || info.Node != p.Name {
		t.Errorf("%s: /info: %s", p.Name, body)
	}
	code, body := get(t, host(p), "/nowhere")
	if code != 404 || !strings.Contains(body, `"code":404`) {
		t.Errorf("%s: /nowhere: %d %s", p.Name, code, body)
	}
}

func dial(t *testing.T, c *cluster.Cluster, user string, o client.Options) *client.Client {
	t.Helper()
	token, err := c.Token(user)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.Dial(t.Context(), c.WS()[0], token, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Close() })
	return cl
}

// flows wants a Broadcast of from to be delivered.
func flows(t *testing.T, from *client.Client, got <-chan client.Delivery, text string) {
	t.Helper()
	if _, err := from.Broadcast(t.Context(), "chat.a", `"`+text+`"`); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	select {
	case d := <-got:
		if d.Payload != `"`+text+`"` || d.FromUser != "alice" {
			t.Errorf("%s: got %+v", text, d)
		}
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %v", text, patience)
	}
}

// stop wants a process to end with code 0 within limit of a SIGTERM.
func stop(t *testing.T, p *cluster.Process, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	start := time.Now()
	if code, err := p.Stop(ctx); err != nil || code != 0 {
		t.Errorf("%s: exit code %d, %v\n%s", p.Name, code, err, p.LogTail())
	}
	t.Logf("%s ended %v after SIGTERM", p.Name, time.Since(start).Round(time.Millisecond))
}
