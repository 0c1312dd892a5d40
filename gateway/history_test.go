package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
)

// kept is history for topics that begin with h.
func kept() history.Policy {
	return history.Policy{{Name: "kept", Topics: []string{"h.>"}, Rooms: []string{"h.>"}, Size: 1000, Age: time.Hour, Replicas: 1}}
}

func numbered(topic string, n int) string {
	return broadcast(fmt.Sprint("m", n), topic, fmt.Sprint(n))
}

// publish has messages stored, and returns the epoch.
func (k *talk) publish(topic string, from, to int) (epoch string) {
	k.t.Helper()
	for n := from; n <= to; n++ {
		ack, _ := k.ask(numbered(topic, n))
		if ack.Get("data.status").Str != "stored" || ack.Get("data.offset").Int() != int64(n) || ack.Get("data.duplicate").Bool() {
			k.t.Fatalf("message %d was answered %s", n, ack.Raw)
		}
		epoch = ack.Get("data.epoch").Str
	}
	return epoch
}

// hears takes the messages of a topic with history from one offset to another, and nothing else.
func (k *talk) hears(from, to int) {
	k.t.Helper()
	for n := from; n <= to; n++ {
		m := k.next()
		if m.Get("type").Str != "Broadcast" || m.Get("data.payload").Int() != int64(n) || m.Get("data.metadata.offset").Int() != int64(n) {
			k.t.Fatalf("instead of message %d came %s", n, m.Raw)
		}
	}
}

func TestHistoryIsStoredThenDelivered(t *testing.T) {
	h := startWith(t, kept(), 2, 2, nil)
	writer, reader := h.talk(h.gateway[0], "w"), h.talk(h.gateway[1], "r")
	reader.subscribe("h.a")
	writer.publish("h.a", 1, 20)
	reader.hears(1, 20)

	ack, _ := writer.ask(numbered("h.a", 20))
	if !ack.Get("data.duplicate").Bool() || ack.Get("data.offset").Int() != 20 || ack.Get("data.status").Str != "stored" {
		t.Fatalf("a duplicate was answered %s", ack.Raw)
	}
	writer.publish("h.a", 21, 21)
	reader.hears(21, 21)

	page, _ := reader.ask(`{"type":"History","id":"h","data":{"topic":"h.a","limit":5}}`)
	if page.Get("data.publications.#").Int() != 5 || page.Get("data.publications.0.payload").Int() != 1 || page.Get("data.complete").Bool() || page.Get("data.offset").Int() != 21 {
		t.Fatalf("history is %s", page.Raw)
	}
	page, _ = reader.ask(`{"type":"History","id":"h2","data":{"topic":"h.a","limit":5,"reverse":true}}`)
	if page.Get("data.publications.#").Int() != 5 || page.Get("data.publications.0.payload").Int() != 21 || page.Get("data.complete").Bool() {
		t.Fatalf("reverse history is %s", page.Raw)
	}
}

func TestRecoverOnSubscribe(t *testing.T) {
	h := startWith(t, kept(), 2, 1, nil)
	writer, reader := h.talk(h.gateway[0], "w"), h.talk(h.gateway[1], "r")
	epoch := writer.publish("h.a", 1, 50)
	subscribe := func(k *talk, offset int, epoch string) string {
		return fmt.Sprintf(`{"type":"Subscribe","id":"s","data":{"topics":["h.a"],"recover":{"h.a":{"offset":%d,"epoch":%q}}}}`, offset, epoch)
	}
	reply, before := reader.ask(subscribe(reader, 20, epoch))
	p := reply.Get("data.details.positions").Map()["h.a"]
	if len(before) > 0 || !p.Get("recovered").Bool() || p.Get("offset").Int() != 50 || p.Get("epoch").Str != epoch {
		t.Fatalf("subscribed with %s, after %v", reply.Raw, before)
	}
	reader.hears(21, 50)
	writer.publish("h.a", 51, 60)
	reader.hears(51, 60)

	lost := h.talk(h.gateway[0], "x")
	reply, _ = lost.ask(subscribe(lost, 20, "abc"))
	if p := reply.Get("data.details.positions").Map()["h.a"]; p.Get("recovered").Bool() || p.Get("offset").Int() != 60 {
		t.Fatalf("subscribed with %s", reply.Raw)
	}
	writer.publish("h.a", 61, 61)
	lost.hears(61, 61)
}

// A new owner goes on with the numbers, and knows who has published what.
func TestHistoryOutlivesItsOwners(t *testing.T) {
	h := startWith(t, kept(), 2, 2, nil)
	writer, reader := h.talk(h.gateway[0], "w"), h.talk(h.gateway[1], "r")
	topics := []string{"h.a", "h.b", "h.c", "h.d"}
	reader.subscribe(topics...)
	n := map[string]int{}
	round := func() {
		t.Helper()
		for _, topic := range topics {
			writer.publish(topic, n[topic]+1, n[topic]+3)
			reader.hears(n[topic]+1, n[topic]+3)
			n[topic] += 3
		}
	}
	round()
	h.addRouter()
	round()
	h.router[0].stop()
	round()
	h.router[1].kill()
	for _, topic := range topics {
		h.eventually(func() bool {
			ack, _ := writer.ask(numbered(topic, n[topic]))
			if ack.Get("type").Str == "Error" {
				return false
			}
			if !ack.Get("data.duplicate").Bool() || ack.Get("data.offset").Int() != int64(n[topic]) {
				t.Fatalf("a duplicate was answered %s", ack.Raw)
			}
			return true
		})
	}
	round()
}
