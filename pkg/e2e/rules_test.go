package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

const rulesText = `
rules:
  - name: audit
    topics: ["chat.>"]
    actions:
      - copy: {topic: audit.chat}
  - name: mask
    topics: ["chat.>"]
    when: 'payload.secret == true && !("admin" in roles)'
    actions:
      - transform: '{"text": payload.text, "masked": true}'
      - set: {masked_by: '"mask"'}
  - name: spam
    topics: ["chat.>"]
    when: 'payload.text.contains("spam")'
    actions:
      - reject: {code: 422, message: no spam here}
  - name: void
    topics: ["void.>"]
    actions:
      - drop: {}
  - name: moved
    topics: ["old.>"]
    actions:
      - redirect: {topic_expression: '"new." + user'}
  - name: slow
    topics: ["slow"]
    actions:
      - rate_limit: {rate: 0.5, burst: 2, per: topic}
  - name: minutes
    rooms: ["hall"]
    actions:
      - copy: {topic: audit.rooms}
      - set: {noted: 'true'}
  - name: support
    users: ["support"]
    actions:
      - redirect: {user: bob}
  - name: desk
    topics: ["desk"]
    actions:
      - redirect: {user: bob}
  - name: stored
    topics: ["history.>"]
    actions:
      - set: {by: 'user'}
`

const ruledHistory = `
history:
  - name: all
    topics: ["history.>"]
`

// rulesFile writes a file of rules, and returns its name and what replaces it as a ConfigMap's update does: the
// file is a link by way of a directory that is swapped for another.
func rulesFile(t *testing.T, text string) (name string, replace func(text string)) {
	t.Helper()
	dir := t.TempDir()
	n := 0
	replace = func(text string) {
		t.Helper()
		n++
		version := "..v" + strconv.Itoa(n)
		if err := errors.Join(
			os.Mkdir(filepath.Join(dir, version), 0o755),
			os.WriteFile(filepath.Join(dir, version, "rules.yaml"), []byte(text), 0o644),
			os.Symlink(version, filepath.Join(dir, "..tmp")),
			os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")),
		); err != nil {
			t.Fatal(err)
		}
	}
	replace(text)
	name = filepath.Join(dir, "rules.yaml")
	if err := os.Symlink(filepath.Join("..data", "rules.yaml"), name); err != nil {
		t.Fatal(err)
	}
	return name, replace
}

// hears are the messages of one client.
type hears struct {
	mu   sync.Mutex
	list []string
}

func (h *hears) note(kind, where, payload, set string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", kind, where, payload, set)))
}

func (h *hears) options() client.Options {
	return client.Options{
		Deliver: func(d client.Delivery) { h.note("Broadcast", d.Topic, d.Payload, d.Set) },
		Direct: func(m client.DirectMessage) {
			set := m.Set
			if m.Queued {
				set += " queued"
			}
			h.note("DirectMessage", m.FromUser, m.Payload, set)
		},
		Room: func(m client.RoomMessage) { h.note("RoomMessage", m.Room, m.Payload, m.Set) },
	}
}

// TestRules: what rules say happens to messages of every kind, over processes, and who sent them is answered once, when
// all is done.
func TestRules(t *testing.T) {
	t.Parallel()
	file, _ := rulesFile(t, rulesText)
	c := cluster.StartTest(t, cluster.Spec{
		NATS: 1, Gateways: 1, Routers: 2, Presences: 1, Redis: true, Settings: ruledHistory, Secret: secret,
		Env: []string{"RULES_FILE=" + file},
	})
	var bobs hears
	bob := dial(t, c, "bob", bobs.options())
	for _, topic := range []string{"chat.>", "audit.>", "void.>", "old.>", "new.>", "slow", "history.>"} {
		if _, err := bob.Subscribe(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bob.JoinRoom(t.Context(), "hall", true); err != nil {
		t.Fatal(err)
	}
	alice := dial(t, c, "alice", client.Options{})
	if _, err := alice.JoinRoom(t.Context(), "hall", false); err != nil {
		t.Fatal(err)
	}
	admin, err := client.Token(secret, "root", time.Hour, map[string]any{"roles": []string{"staff", "admin"}})
	if err != nil {
		t.Fatal(err)
	}
	root, err := client.Dial(t.Context(), c.WS()[0], admin, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()

	broadcast := func(from *client.Client, topic, payload, wantTopic, wantStatus string) {
		t.Helper()
		ack, err := from.Broadcast(t.Context(), topic, payload)
		if err != nil || ack.Topic != wantTopic || ack.Status != wantStatus {
			t.Errorf("%s to %s: %+v, %v", payload, topic, ack, err)
		}
	}
	refused := func(err error, code int, details string) {
		t.Helper()
		no, ok := errors.AsType[*client.ServerError](err)
		if !ok || no.Code != code || !strings.HasPrefix(no.Details, details) {
			t.Errorf("%v, want %d %s", err, code, details)
		}
	}
	broadcast(alice, "chat.a", `{"text":"hi"}`, "chat.a", "accepted")
	broadcast(alice, "chat.a", `{"text":"hush", "secret":true}`, "chat.a", "accepted")
	broadcast(root, "chat.a", `{"text":"hush", "secret":true}`, "chat.a", "accepted")
	_, err = alice.Broadcast(t.Context(), "chat.a", `{"text":"buy spam"}`)
	refused(err, 422, `{"rule":"spam"}`)
	broadcast(alice, "void.a", `1`, "void.a", "accepted")
	broadcast(alice, "old.a", `{"n":1}`, "new.alice", "accepted")
	broadcast(alice, "slow", `1`, "slow", "accepted")
	broadcast(alice, "slow", `2`, "slow", "accepted")
	_, err = alice.Broadcast(t.Context(), "slow", `3`)
	refused(err, 429, `{"limit":"rule:slow","retry_after_ms":`)
	if _, err := alice.RoomMessage(t.Context(), "hall", `"order"`); err != nil {
		t.Error(err)
	}
	if ack, err := alice.DirectMessage(t.Context(), "support", `"help"`); err != nil || ack.Status != "delivered" {
		t.Errorf("to support: %+v, %v", ack, err)
	}
	m, err := alice.Request(t.Context(), "Broadcast", `{"topic":"desk","payload":"hello","echo":false}`)
	if err != nil || m.Type != "Ack" {
		t.Errorf("to the desk: %+v, %v", m, err)
	}
	broadcast(alice, "history.a", `"kept"`, "history.a", "stored")

	want := []string{
		`Broadcast audit.chat {"text":"hi"}`,
		`Broadcast chat.a {"text":"hi"}`,
		`Broadcast audit.chat {"text":"hush", "secret":true}`,
		`Broadcast chat.a {"masked":true,"text":"hush"} "masked_by":"mask"`,
		`Broadcast audit.chat {"text":"hush", "secret":true}`,
		`Broadcast chat.a {"text":"hush", "secret":true}`,
		`Broadcast audit.chat {"text":"buy spam"}`,
		`Broadcast new.alice {"n":1}`,
		`Broadcast slow 1`,
		`Broadcast slow 2`,
		`Broadcast audit.rooms "order"`,
		`RoomMessage hall "order" "noted":true`,
		`DirectMessage alice "help"`,
		`DirectMessage alice "hello"`,
		`Broadcast history.a "kept" "by":"alice"`,
	}
	got := bobs.settled(t, len(want))
	for _, w := range want {
		if !take(&got, w) {
			t.Errorf("bob did not get %s", w)
		}
	}
	if len(got) > 0 {
		t.Errorf("bob got more: %s", got)
	}
	page, err := bob.History(t.Context(), client.HistoryRequest{Topic: "history.a"})
	if err != nil || len(page.Deliveries) != 1 || page.Deliveries[0].Set != `"by":"alice"` {
		t.Errorf("history: %+v, %v", page, err)
	}
}

// settled waits for n messages, and then a moment for more, and returns them all.
func (h *hears) settled(t *testing.T, n int) []string {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		h.mu.Lock()
		got := len(h.list)
		h.mu.Unlock()
		if got >= n || time.Now().After(deadline) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.list...)
}

// take removes a text from a list, and reports whether it was there.
func take(list *[]string, text string) bool {
	for i, s := range *list {
		if s == text {
			*list = append((*list)[:i:i], (*list)[i+1:]...)
			return true
		}
	}
	return false
}

// TestRulesChangeUnderLoad: while messages flow, the file is replaced again and again, by broken ones, too. Each message is
// dealt with once, by one version or the next, and none is lost; the last good version is what counts in the end.
func TestRulesChangeUnderLoad(t *testing.T) {
	t.Parallel()
	version := func(n int) string {
		return fmt.Sprintf("rules:\n  - name: mark\n    topics: [\"flow.>\"]\n    actions:\n      - set: {version: '%d'}\n", n)
	}
	file, replace := rulesFile(t, version(0))
	d := launchDev(t, "RULES_FILE="+file, "RATE_LIMIT_ENABLED=false")
	var seen sync.Map
	var delivered, twice atomic.Int64
	versions := make(chan string, 1<<16)
	reader, err := client.Dial(t.Context(), "ws://"+d.addr+"/ws", d.tokens["bob"], client.Options{Deliver: func(m client.Delivery) {
		if _, there := seen.LoadOrStore(m.Payload, true); there {
			twice.Add(1)
		}
		delivered.Add(1)
		select {
		case versions <- m.Set:
		default:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.Subscribe(t.Context(), "flow.>"); err != nil {
		t.Fatal(err)
	}
	writer, err := client.Dial(t.Context(), "ws://"+d.addr+"/ws", d.tokens["alice"], client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	sent := 0
	send := func() {
		t.Helper()
		sent++
		if ack, err := writer.Broadcast(t.Context(), "flow."+strconv.Itoa(sent%7), strconv.Itoa(sent)); err != nil {
			t.Fatalf("%+v, %v", ack, err)
		}
	}
	metric := func(name string) string {
		_, body := get(t, d.addr, "/metrics")
		for _, line := range lines(body) {
			if text, ok := strings.CutPrefix(line, name+" "); ok {
				return text
			}
		}
		return ""
	}
	const changes = 2
	for n := 1; n <= changes; n++ {
		replace("rules:\n  - name: broken\n    when: 'payload.'\n") // no good
		await := func(what, want string) {
			deadline := time.Now().Add(patience)
			for metric(what) != want {
				if time.Now().After(deadline) {
					t.Fatalf("%s is %s, want %s", what, metric(what), want)
				}
				for range 20 {
					send()
				}
			}
		}
		await(`realtime_rules_config_last_reload_successful{role="rules"}`, "0")
		replace(version(n))
		await(`realtime_rules_config_last_reload_successful{role="rules"}`, "1")
	}
	send()
	deadline := time.Now().Add(patience)
	for delivered.Load() < int64(sent) && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if delivered.Load() != int64(sent) || twice.Load() != 0 {
		t.Errorf("%d of %d messages were delivered, %d twice", delivered.Load(), sent, twice.Load())
	}
	close(versions)
	var order []string
	for v := range versions {
		if len(order) == 0 || order[len(order)-1] != v {
			order = append(order, v)
		}
	}
	want := []string{`"version":0`, `"version":1`, `"version":2`}
	if !reflect.DeepEqual(order, want) {
		t.Errorf("versions came in the order %s", order)
	}
	if n := strings.Count(d.stderr.String(), "rules[0]"); n < changes {
		t.Errorf("%d lines in the log name the mistake, want %d:\n%s", n, changes, d.stderr.String())
	}
	t.Logf("%d messages while the rules changed %d times", sent, 2*changes)
	d.terminate(patience)
}
