package gateway_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// The reply to Subscribe is a barrier: what is published through the same gateway after it
// arrives, on whatever loop, for a topic as for a pattern, while routers join and leave.
func TestSubscribeIsABarrier(t *testing.T) {
	h := start(t, 2, 2, nil)
	changes := 2
	if testing.Short() {
		changes = 1
	}
	var churn sync.WaitGroup
	over := make(chan struct{})
	churn.Go(func() {
		defer close(over)
		for range changes {
			r := h.addRouter()
			h.eventually(func() bool { return len(h.gateway[1].Views().Routers.Active) == 3 })
			r.stop()
			h.eventually(func() bool { return len(h.gateway[1].Views().Routers.Active) == 2 })
		}
	})
	defer churn.Wait()
	g := h.gateway[1]
	// Connections are dealt out to the loops in turn: each has a subscriber and a publisher.
	subscribers := []*talk{h.talk(g, "alice"), h.talk(g, "alice")}
	publishers := []*talk{h.talk(g, "bob"), h.talk(g, "bob")}
	rounds, refused := 0, 0
	for done := false; !done || rounds < 200; rounds++ {
		select {
		case <-over:
			done = true
		default:
		}
		sub, pub := subscribers[rounds%2], publishers[rounds/2%2]
		topic := fmt.Sprintf("t%d.x", rounds)
		pattern := []string{topic, fmt.Sprintf("t%d.*", rounds), fmt.Sprintf("t%d.>", rounds)}[rounds%3]
		for deadline := time.Now().Add(patience); ; refused++ {
			r, _ := sub.ask(subscribe("s", pattern))
			if r.Get("data.status").Str == "subscribed" {
				break
			}
			if r.Get("data.code").Int() != 503 || time.Now().After(deadline) {
				t.Fatalf("round %d: %s", rounds, r.Raw)
			}
		}
		id := ""
		for deadline := time.Now().Add(patience); ; refused++ {
			id = fmt.Sprintf("%d-%d", rounds, refused)
			r, _ := pub.ask(broadcast(id, topic, "1"))
			if r.Get("type").Str == "Ack" {
				break
			}
			if r.Get("data.code").Int() != 503 || time.Now().After(deadline) {
				t.Fatalf("round %d: %s", rounds, r.Raw)
			}
		}
		for m := sub.next(); m.Get("data.metadata.message_id").Str != id; m = sub.next() {
			if m.Get("data.topic").Str != topic { // what was refused may come all the same
				t.Fatalf("round %d: %q got %s", rounds, pattern, m.Raw)
			}
		}
		if r, _ := sub.ask(unsubscribe("u", pattern)); r.Get("data.status").Str != "unsubscribed" && r.Get("data.code").Int() != 503 {
			t.Fatalf("round %d: %s", rounds, r.Raw)
		}
	}
	t.Logf("%d rounds, %d refused with 503", rounds, refused)
}
