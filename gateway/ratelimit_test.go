package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/gateway"
)

// Over the connection's limit a message gets Error 429 with its id, and the time to wait:
// after it, and not before, the next one passes. Others have their own.
func TestRateLimit(t *testing.T) {
	h := start(t, 1, 1, func(c *gateway.Config) { c.RateLimit, c.RateLimitRPS, c.RateLimitBurst = true, 4, 10 })
	k, other := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[0], "alice")
	var all []string
	for i := range 20 {
		message := fmt.Sprintf(`{"type":"Ping","id":"%d"}`, i)
		switch i % 4 {
		case 1:
			message = broadcast(fmt.Sprint(i), "a", "1")
		case 2:
			message = subscribe(fmt.Sprint(i), "b")
		case 3:
			message = `{"type":"Nonsense","id":"` + fmt.Sprint(i) + `"}`
		}
		all = append(all, message)
	}
	k.send(all...)
	var wait time.Duration
	passed := make(map[string]bool)
	for range all {
		m := k.next()
		id := m.Get("id").Str
		if m.Get("data.code").Int() != 429 {
			passed[id] = true
			continue
		}
		ms := m.Get("data.details.retry_after_ms").Int()
		wait = time.Duration(ms) * time.Millisecond
		if id == "" || m.Get("type").Str != "Error" || m.Get("data.details.limit").Str != "connection" || ms < 1 || ms > 250 {
			t.Errorf("got %s", m.Raw)
		}
	}
	if len(passed) != 10 {
		t.Errorf("%d passed of a burst of 10: %v", len(passed), passed)
	}
	other.lives()
	for round := range 3 {
		time.Sleep(wait) // the time that the gateway told: what it is worth is what is tested
		k.send(all...)
		if m := k.next(); m.Get("id").Str != "0" || m.Get("type").Str != "Pong" {
			t.Fatalf("round %d, after %v: %s", round, wait, m.Raw)
		}
		for range len(all) - 1 {
			if ms := k.next().Get("data.details.retry_after_ms"); ms.Exists() {
				wait = time.Duration(ms.Int()) * time.Millisecond
			}
		}
	}
	k.send(`{"type":"Ping"}`, `nonsense`) // over the limit, and without an id
	for range 2 {
		if m := k.next(); m.Get("id").Exists() {
			t.Errorf("got %s", m.Raw)
		}
	}
}
