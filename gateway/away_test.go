package gateway_test

import (
	"errors"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/backbone"
)

// Without a router there is an answer all the same: Error 503, and when to try again.
// With the first one that joins, everything works by itself.
func TestNoRouter(t *testing.T) {
	h := start(t, 0, 0, nil)
	g := h.addGateway(nil)
	k := h.talk(g, "alice")
	k.lives()
	for _, message := range []string{broadcast("1", "a", "1"), subscribe("2", "a"), subscribe("3", "a.*", "b"), unsubscribe("4", "a")} {
		r, _ := k.ask(message)
		wantAway(t, r)
	}
	k.send(broadcast("", "a", "1"))
	wantAway(t, k.next())
	if err := g.Ready(); err == nil {
		t.Error("ready without a router")
	}

	h.addRouter()
	h.eventually(func() bool { return g.Ready() == nil })
	k.subscribe("a", "b.*")
	k.ask(broadcast("1", "a", "1"))
	k.ask(broadcast("2", "b.c", "2"))
	if rest := k.lives(); len(rest) > 2 {
		t.Errorf("got %v", brief(rest...))
	}

	// And when the last one leaves, until another joins: without a word of the client's.
	h.router[0].stop()
	h.eventually(func() bool { return g.Ready() != nil })
	r, _ := k.ask(broadcast("3", "a", "3"))
	wantAway(t, r)
	h.addRouter()
	h.eventually(func() bool { return g.Ready() == nil })
	for id, topic := range []string{"a", "b.c", "a", "b.d"} {
		ack, before := k.ask(broadcast(strconv.Itoa(id), topic, strconv.Itoa(id)))
		if ack.Get("type").Str != "Ack" {
			t.Fatalf("got %s", ack.Raw)
		}
		if len(before) == 0 {
			before = append(before, k.next())
		}
		if got := brief(before...); len(got) != 1 || got[0] != "Broadcast "+strconv.Itoa(id) {
			t.Errorf("message %d: got %v", id, got)
		}
	}
}

// wantAway sees to it that a reply is an Error 503 that says when to try again.
func wantAway(t *testing.T, r gjson.Result) {
	t.Helper()
	if r.Get("type").Str != "Error" || r.Get("data.code").Int() != 503 || r.Get("data.details.retry_after_ms").Int() <= 0 {
		t.Errorf("got %s, want an Error 503", r.Raw)
	}
}

// While NATS is away sockets stay, and what clients send gets Error 503. When it is back,
// everything goes on by itself, subscriptions included.
func TestNATSAway(t *testing.T) {
	server := &restartable{t: t, dir: t.TempDir(), log: zap.NewNop()}
	server.start()
	t.Cleanup(server.stop)
	h := startOn(t, server, server.log, 2, 2, func(c *gateway.Config) { c.RequestTimeout = 2 * time.Second })
	var clients []*talk
	for _, g := range h.gateway {
		k := h.talk(g, "alice")
		k.subscribe("a", "b.*")
		clients = append(clients, k)
	}
	for round := range 2 {
		server.stop()
		for _, g := range h.gateway {
			h.eventually(func() bool { return !g.Connected() })
		}
		away := time.Now()
		for time.Since(away) < 2*time.Second { // longer than beats are missed for
			for _, k := range clients {
				if r, _ := k.ask(broadcast("1", "a", "1")); r.Get("data.code").Int() != 503 {
					t.Fatalf("got %s", r.Raw)
				}
				r, _ := k.ask(subscribe("2", "c"))
				wantAway(t, r)
				k.lives()
			}
		}
		h.talk(h.gateway[0], "bob").lives() // who comes now is let in
		server.start()
		for _, g := range h.gateway {
			h.eventually(func() bool { return g.Ready() == nil })
		}
		for i, k := range clients {
			id := strconv.Itoa(10*round + i)
			h.eventually(func() bool {
				ack, before := k.ask(broadcast(id, "b.c", `"`+id+`"`))
				k.passed = append(k.passed, before...)
				return ack.Get("type").Str == "Ack"
			})
			for j, k := range clients {
				for {
					var m gjson.Result
					if len(k.passed) > 0 {
						m, k.passed = k.passed[0], k.passed[1:]
					} else {
						m = k.next()
					}
					if m.Get("data.payload").Str == id {
						break
					}
					// What was in flight when NATS went away may come late.
					if m.Get("type").Str != "Broadcast" {
						t.Fatalf("client %d: got %s", j, m.Raw)
					}
				}
			}
		}
	}
	for i, k := range clients {
		if rest := k.lives(); len(rest) > 0 {
			t.Errorf("client %d: got %v", i, brief(rest...))
		}
	}
}

// restartable is a NATS server that the test stops and starts again.
type restartable struct {
	t   *testing.T
	dir string
	log *zap.Logger

	mu      sync.Mutex
	current *backbone.Embedded
}

func (r *restartable) start() {
	r.t.Helper()
	server, err := backbone.StartEmbedded(backbone.EmbeddedConfig{DataDir: r.dir, Log: r.log})
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = server
}

func (r *restartable) stop() {
	r.mu.Lock()
	server := r.current
	r.current = nil
	r.mu.Unlock()
	if server != nil {
		server.Shutdown()
	}
}

// InProcessConn makes it a server for backbone.ConnConfig.
func (r *restartable) InProcessConn() (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		return nil, errors.New("stopped")
	}
	return r.current.InProcessConn()
}
