package e2e_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// TestSettingsFileIsFollowed: while messages flow, rules come, change their bounds and go; a bad file changes nothing.
func TestSettingsFileIsFollowed(t *testing.T) {
	t.Parallel()
	const chat = "history:\n  - {name: chat, topics: [chat.>], rooms: [team.>], size: %d, age: %s}\n"
	const news = "  - {name: news, topics: [news.>], rooms: [hall.>], size: 100, age: 1h}\n"
	file, replace := rulesFile(t, fmt.Sprintf(chat, 1000, "24h"))
	c := cluster.StartTest(t, cluster.Spec{
		NATS: 1, Gateways: 1, Routers: 2, Presences: 1, Redis: true, Secret: secret, Env: []string{"SETTINGS_FILE=" + file, "DEDUPE_WINDOW=1s"},
	})
	owners := []*cluster.Process{c.Routers[0], c.Routers[1], c.Presences[0]}

	var mu sync.Mutex
	got := make(map[string][]string) // by topic
	reader := dial(t, c, "bob", client.Options{Deliver: func(d client.Delivery) {
		mu.Lock()
		defer mu.Unlock()
		got[d.Topic] = append(got[d.Topic], d.Payload)
	}})
	if _, err := reader.Subscribe(t.Context(), "chat.a", "news.a", "news.*"); err != nil {
		t.Fatal(err)
	}
	writer := dial(t, c, "alice", client.Options{})
	sent := make(map[string]int)
	send := func(topic string) string {
		t.Helper()
		sent[topic]++
		ack, err := writer.Broadcast(t.Context(), topic, strconv.Itoa(sent[topic]))
		if err != nil {
			t.Fatalf("%s: %v", topic, err)
		}
		return ack.Status
	}
	// until publishes to a topic until something is so.
	until := func(what, topic string, is func(status string) bool) {
		t.Helper()
		for deadline := time.Now().Add(3 * patience); !is(send(topic)); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: did not come true", what)
			}
		}
	}
	stored := func(status string) bool { return status == "stored" }
	for range 20 {
		if status := send("chat.a"); status != "stored" {
			t.Fatalf("chat.a: %s", status)
		}
	}
	if status := send("news.a"); status != "accepted" {
		t.Fatalf("news.a: %s", status)
	}
	for _, room := range []string{"team.a", "hall.a"} { // open before the file changes
		if _, err := writer.JoinRoom(t.Context(), room, true); err != nil {
			t.Fatal(err)
		}
	}

	// A rule comes, another keeps less.
	replace(fmt.Sprintf(chat, 3, "2h") + news)
	until("a new rule", "news.a", stored)
	until("less is kept", "chat.a", func(string) bool {
		page, err := writer.History(t.Context(), client.HistoryRequest{Topic: "chat.a", Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Deliveries) == 3
	})
	nc, err := nats.Connect(c.NATSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	until("entries are kept for less", "chat.a", func(string) bool {
		for name := range js.StreamNames(t.Context()).Name() {
			if s, err := js.Stream(t.Context(), name); err == nil && strings.HasPrefix(name, "rt_history_chat_") && s.CachedInfo().Config.MaxAge != 2*time.Hour {
				return false
			}
		}
		return true
	})
	// A room that was open stays without; one that is opened now has history.
	for room, want := range map[string]string{"hall.a": "accepted", "hall.b": "stored", "team.a": "stored"} {
		if room == "hall.b" {
			if _, err := writer.JoinRoom(t.Context(), room, true); err != nil {
				t.Fatal(err)
			}
		}
		if ack, err := writer.RoomMessage(t.Context(), room, `1`); err != nil || ack.Status != want {
			t.Errorf("%s: %s %v, want %s", room, ack.Status, err, want)
		}
	}

	// A bad file changes nothing.
	replace(fmt.Sprintf(chat, 0, "2h"))
	for _, p := range owners {
		awaitPage(t, host(p), "/health", 200, `"status":"degraded"`)
		awaitPage(t, host(p), "/metrics", 200, `realtime_settings_last_reload_successful{role="settings"} 0`)
		if code, _ := get(t, host(p), "/readyz"); code != 200 {
			t.Errorf("%s is not ready with a bad file", p.Name)
		}
	}
	if status := send("news.a"); status != "stored" {
		t.Errorf("news.a with a bad file: %s", status)
	}

	// A rule goes: what was used by it stays so, what was not has no history.
	replace(fmt.Sprintf(chat, 3, "2h"))
	for _, p := range owners {
		awaitPage(t, host(p), "/health", 200, `"status":"healthy"`)
		awaitPage(t, host(p), "/metrics", 200, `realtime_settings_last_reload_successful{role="settings"} 1`)
	}
	if status := send("news.b"); status != "accepted" {
		t.Errorf("news.b without a rule: %s", status)
	}
	if status := send("news.a"); status != "stored" {
		t.Errorf("news.a, which is in use: %s", status)
	}

	// Nothing was lost, or came twice for the topic itself and the pattern.
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		mu.Lock()
		all := len(got["chat.a"]) >= sent["chat.a"] && len(got["news.a"]) >= sent["news.a"] && len(got["news.b"]) >= sent["news.b"]
		mu.Unlock()
		if all || time.Now().After(deadline) {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for topic, n := range sent {
		for i, payload := range got[topic] {
			if payload != strconv.Itoa(i+1) {
				t.Fatalf("message %d of %s was %s", i+1, topic, payload)
			}
		}
		if len(got[topic]) != n {
			t.Errorf("%s: %d of %d were delivered", topic, len(got[topic]), n)
		}
	}
}
