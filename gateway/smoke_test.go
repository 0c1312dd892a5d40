package gateway_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// inbox collects what a client gets.
type inbox struct {
	mu   sync.Mutex
	seen []string // payloads
}

func (b *inbox) add(payload string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, payload)
}

func (b *inbox) list() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.seen...)
}

func (h *harness) dial(g *gatewayNode, user string) (*client.Client, *inbox) {
	h.t.Helper()
	b := &inbox{}
	ctx, cancel := context.WithTimeout(h.t.Context(), 5*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, "ws://"+g.addr+"/ws", h.token(user), client.Options{
		Deliver: func(d client.Delivery) { b.add(d.Payload) },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	return c, b
}

// A Broadcast reaches subscribers on every gateway, of the topic and of patterns, once.
func TestBroadcastAcrossGateways(t *testing.T) {
	h := start(t, 2, 3, nil)
	var inboxes []*inbox
	for i, g := range h.gateway {
		for range 3 {
			c, b := h.dial(g, "alice")
			if _, err := c.Subscribe(t.Context(), "chat.lobby", "chat.*", "chat.>"); err != nil {
				t.Fatalf("gateway %d: %v", i, err)
			}
			inboxes = append(inboxes, b)
		}
	}
	sender, _ := h.dial(h.gateway[0], "bob")
	for i := range 10 {
		if _, err := sender.Broadcast(t.Context(), "chat.lobby", strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range inboxes {
		h.eventually(func() bool { return len(b.list()) >= 10 })
	}
	time.Sleep(50 * time.Millisecond) // for what must not come
	for i, b := range inboxes {
		if got := b.list(); len(got) != 10 || got[0] != "0" || got[9] != "9" {
			t.Errorf("subscriber %d got %v", i, got)
		}
	}
}
