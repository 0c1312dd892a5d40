package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ample limits are met by no test.
var ample = Limits{MaxCount: 100_000, MaxBytes: 100 << 20, TTL: time.Hour}

// TestSuite runs one suite against every kind of store.
func TestSuite(t *testing.T) {
	kinds := []struct {
		name string
		url  func(t *testing.T) string
	}{
		{"embedded", func(*testing.T) string { return "" }},
		{"single", func(t *testing.T) string { return startServer(t).url() }},
		{"cluster", func(t *testing.T) string { return startCluster(t, 3)[1].url() + "?cluster=true" }},
		{"sentinel", func(t *testing.T) string {
			return startSentinel(t, startServer(t)).url() + "?master_name=m"
		}},
	}
	suite := []struct {
		name string
		test func(t *testing.T, s opened)
	}{
		{"order", testOrder},
		{"pages", testPages},
		{"remove", testRemove},
		{"count bound", testCount},
		{"bytes bound", testBytes},
		{"age", testAge},
		{"keys expire", testKeysExpire},
		{"repeat", testRepeat},
		{"users", testUsers},
		{"waiting", testWaiting},
		{"payloads", testPayloads},
		{"concurrent", testConcurrent},
		{"not ours", testForeign},
		{"model", testModel},
		{"seen", testSeen},
		{"seen forward", testSeenForward},
		{"seen many", testSeenMany},
		{"seen bound", testSeenBound},
		{"seen expires", testSeenExpires},
		{"seen not ours", testSeenForeign},
		{"seen concurrent", testSeenConcurrent},
		{"session", testSession},
		{"session fence", testSessionFence},
		{"session begin", testSessionBegin},
		{"session late", testSessionLate},
		{"session takes", testSessionTakes},
		{"session takes at once", testSessionTakesAtOnce},
		{"session life", testSessionLife},
		{"session many", testSessionMany},
		{"session bound", testSessionBound},
		{"session meanwhile", testSessionMeanwhile},
		{"session not ours", testSessionForeign},
		{"session unknown script", testSessionUnknown},
		{"session model", testSessionModel},
		{"session concurrent", testSessionConcurrent},
		{"family", testFamily},
		{"family lost", testFamilyLost},
		{"family ahead", testFamilyAhead},
		{"family at once", testFamilyAtOnce},
		{"family repeated call", testFamilyRepeat},
		{"family life", testFamilyLife},
		{"revocations", testRevocations},
		{"revocations load", testRevocationsLoad},
		{"revocations lost", testRevocationsLost},
		{"revocations forked", testRevocationsForked},
		{"revocations bound", testRevocationsBound},
		{"revocations expire", testRevocationsExpire},
		{"revocations not ours", testRevocationsForeign},
		{"revocations model", testRevocationsModel},
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, kind.url(t))
			s.run(t)
			for _, c := range suite {
				t.Run(c.name, func(t *testing.T) { c.test(t, s) })
			}
			if got := s.value(t, "realtime_breaker_state"); got != 0 {
				t.Errorf("the breaker's state is %v at the end, want closed", got)
			}
		})
	}
}

// message is the nth of a sender.
func message(from string, n int) Message {
	return Message{ID: fmt.Sprintf("%s-%d", from, n), From: from, Payload: fmt.Appendf(nil, `{"n":%d}`, n), SentAt: 1763856000000 + int64(n)}
}

func appendAll(t *testing.T, q *Queue, user string, messages ...Message) {
	t.Helper()
	for _, m := range messages {
		if err := q.Append(t.Context(), user, m); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads everything by pages.
func readAll(t testing.TB, q *Queue, user string, page int) []Entry {
	t.Helper()
	var all []Entry
	after := ""
	for {
		entries, err := q.Read(t.Context(), user, after, page)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return all
		}
		if len(entries) > page {
			t.Fatalf("a page of %d entries, want at most %d", len(entries), page)
		}
		all = append(all, entries...)
		after = entries[len(entries)-1].Position
	}
}

func ids(entries []Entry) string {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return strings.Join(ids, " ")
}

func wantIDs(t *testing.T, q *Queue, user, want string) {
	t.Helper()
	if got := ids(readAll(t, q, user, 3)); got != want {
		t.Fatalf("queue of %s is %q, want %q", user, got, want)
	}
	if n, err := q.Len(t.Context(), user); err != nil || n != len(strings.Fields(want)) {
		t.Fatalf("Len is %d, %v, want %d", n, err, len(strings.Fields(want)))
	}
}

func testOrder(t *testing.T, s opened) {
	q := NewQueue(s.Store, ample)
	wantIDs(t, q, "order", "")
	appendAll(t, q, "order", message("a", 1), message("b", 1), message("a", 2))
	wantIDs(t, q, "order", "a-1 b-1 a-2")
	entries := readAll(t, q, "order", 10)
	want := message("b", 1)
	if got := entries[1].Message; got.From != want.From || string(got.Payload) != string(want.Payload) || got.SentAt != want.SentAt {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func testPages(t *testing.T, s opened) {
	q := NewQueue(s.Store, ample)
	for n := range 25 {
		appendAll(t, q, "pages", message("a", n))
	}
	for _, page := range []int{1, 7, 25, 100} {
		got := readAll(t, q, "pages", page)
		if len(got) != 25 || !slices.IsSortedFunc(got, func(a, b Entry) int { return int(a.SentAt - b.SentAt) }) {
			t.Errorf("by pages of %d: %s", page, ids(got))
		}
	}
	if _, err := q.Read(t.Context(), "pages", "nonsense", 1); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("after nonsense: %v", err)
	}
}

func testRemove(t *testing.T, s opened) {
	q := NewQueue(s.Store, ample)
	appendAll(t, q, "remove", message("a", 1), message("a", 2), message("a", 3))
	entries := readAll(t, q, "remove", 10)
	remove := func(positions ...string) {
		t.Helper()
		if err := q.Remove(t.Context(), "remove", positions...); err != nil {
			t.Fatal(err)
		}
	}
	before := s.value(t, "realtime_queue_removed_total")
	remove()
	remove(entries[1].Position, entries[1].Position)
	wantIDs(t, q, "remove", "a-1 a-3")
	remove(entries[0].Position, entries[1].Position, entries[2].Position)
	wantIDs(t, q, "remove", "")
	if n := s.value(t, "realtime_queue_removed_total") - before; n != 3 {
		t.Errorf("%v counted as removed, want 3", n)
	}
	// Who reads on after the last entry sees what comes next.
	appendAll(t, q, "remove", message("a", 4))
	if next, err := q.Read(t.Context(), "remove", entries[2].Position, 10); err != nil || ids(next) != "a-4" {
		t.Errorf("after an emptied queue: %q, %v", ids(next), err)
	}
}

func testCount(t *testing.T, s opened) {
	q := NewQueue(s.Store, Limits{MaxCount: 3, MaxBytes: 1 << 20, TTL: time.Hour})
	before := s.value(t, "realtime_queue_refused_total", "bound", "count")
	appendAll(t, q, "count", message("a", 1), message("a", 2), message("a", 3))
	if err := q.Append(t.Context(), "count", message("a", 4)); !errors.Is(err, ErrQueueFull) {
		t.Fatalf("beyond the bound: %v", err)
	}
	appendAll(t, q, "count", message("a", 2)) // a repeat needs no room
	wantIDs(t, q, "count", "a-1 a-2 a-3")
	if err := q.Remove(t.Context(), "count", readAll(t, q, "count", 1)[0].Position); err != nil {
		t.Fatal(err)
	}
	appendAll(t, q, "count", message("a", 4))
	wantIDs(t, q, "count", "a-2 a-3 a-4")
	if n := s.value(t, "realtime_queue_refused_total", "bound", "count") - before; n != 1 {
		t.Errorf("%v counted as refused, want 1", n)
	}
}

func testBytes(t *testing.T, s opened) {
	size := func(m Message) int { return len(m.Payload) + len(m.From) + len(m.ID) }
	first, second := message("a", 1), message("a", 2)
	second.Payload = make([]byte, 50_000)
	q := NewQueue(s.Store, Limits{MaxCount: 100, MaxBytes: size(first) + size(second), TTL: time.Hour})
	before := s.value(t, "realtime_queue_refused_total", "bound", "bytes")
	appendAll(t, q, "bytes", first, second)
	if err := q.Append(t.Context(), "bytes", Message{Payload: []byte{1}}); !errors.Is(err, ErrQueueFull) {
		t.Fatalf("one byte beyond the bound: %v", err)
	}
	if err := q.Remove(t.Context(), "bytes", readAll(t, q, "bytes", 1)[0].Position); err != nil {
		t.Fatal(err)
	}
	third := message("b", 3)
	if err := q.Append(t.Context(), "bytes", Message{Payload: make([]byte, size(first)+1)}); !errors.Is(err, ErrQueueFull) {
		t.Fatalf("one byte more than was freed: %v", err)
	}
	appendAll(t, q, "bytes", third)
	wantIDs(t, q, "bytes", "a-2 b-3")
	if n := s.value(t, "realtime_queue_refused_total", "bound", "bytes") - before; n != 2 {
		t.Errorf("%v counted as refused, want 2", n)
	}
}

func testAge(t *testing.T, s opened) {
	const ttl = time.Second
	q := NewQueue(s.Store, Limits{MaxCount: 2, MaxBytes: 1 << 20, TTL: ttl})
	before := s.value(t, "realtime_queue_expired_total")
	appendAll(t, q, "age", message("a", 1))
	time.Sleep(ttl / 2)
	appendAll(t, q, "age", message("a", 2))
	wantIDs(t, q, "age", "a-1 a-2")
	time.Sleep(ttl/2 + 20*time.Millisecond)
	wantIDs(t, q, "age", "a-2")
	appendAll(t, q, "age", message("a", 3), message("a", 3))
	if err := q.Append(t.Context(), "age", message("a", 4)); !errors.Is(err, ErrQueueFull) {
		t.Fatalf("what expired is all that made room: %v", err)
	}
	wantIDs(t, q, "age", "a-2 a-3")
	if n := s.value(t, "realtime_queue_expired_total") - before; n != 1 {
		t.Errorf("%v counted as expired, want 1", n)
	}
	time.Sleep(ttl + 20*time.Millisecond)
	wantIDs(t, q, "age", "")
	appendAll(t, q, "age", message("a", 1)) // no repeat: the first is gone
	wantIDs(t, q, "age", "a-1")
}

func testKeysExpire(t *testing.T, s opened) {
	q := NewQueue(s.Store, Limits{MaxCount: 10, MaxBytes: 1 << 20, TTL: 200 * time.Millisecond})
	appendAll(t, q, "expire", message("a", 1))
	exist := func() int64 {
		n, err := s.client.Exists(t.Context(), queueKeys("expire")...).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := exist(); n != 2 {
		t.Fatalf("%d keys, want 2", n)
	}
	eventually(t, 3*time.Second, "the keys are gone", func() bool { return exist() == 0 })

	q = NewQueue(s.Store, ample)
	appendAll(t, q, "expire", message("a", 1))
	if err := q.Remove(t.Context(), "expire", readAll(t, q, "expire", 1)[0].Position); err != nil {
		t.Fatal(err)
	}
	if left, err := s.client.PTTL(t.Context(), queueKeys("expire")[0]).Result(); err != nil || left > emptyTime || left <= 0 {
		t.Errorf("an emptied queue stays %v, %v, want up to %v", left, err, emptyTime)
	}
}

func testRepeat(t *testing.T, s opened) {
	q := NewQueue(s.Store, ample)
	before := s.value(t, "realtime_queue_repeated_total")
	appendAll(t, q, "repeat", message("a", 1), message("a", 1), message("a", 2), message("a", 1))
	other := message("a", 1)
	other.From = "b" // the same ID of another sender
	appendAll(t, q, "repeat", other)
	wantIDs(t, q, "repeat", "a-1 a-2 a-1")
	if n := s.value(t, "realtime_queue_repeated_total") - before; n != 2 {
		t.Errorf("%v counted as repeated, want 2", n)
	}
	// The split between sender and ID counts.
	appendAll(t, q, "split", Message{From: "ab", ID: "c"}, Message{From: "a", ID: "bc"}, Message{From: "a:b", ID: "c"})
	appendAll(t, q, "anonymous", Message{From: "a"}, Message{From: "a"})
	for _, user := range []string{"split", "anonymous"} {
		if n, err := q.Len(t.Context(), user); err != nil || n != 3 && user == "split" || n < 2 {
			t.Errorf("%s: %d entries, %v", user, n, err)
		}
	}
	// Once it was sent, the same message is queued again: at least once, not exactly once.
	if err := q.Remove(t.Context(), "repeat", readAll(t, q, "repeat", 1)[0].Position); err != nil {
		t.Fatal(err)
	}
	appendAll(t, q, "repeat", message("a", 1))
	wantIDs(t, q, "repeat", "a-2 a-1 a-1")
}

func testUsers(t *testing.T, s opened) {
	q := NewQueue(s.Store, ample)
	users := []string{"}", "{", "{}", "}{", "a}b", "a%7Db", "a%b", "a{b}c", "ü", " ", "a:dm", "a:dm:index", "a", "\x00\xff", strings.Repeat("x", 128)}
	for n, user := range users {
		appendAll(t, q, user, message(user, n))
	}
	for n, user := range users {
		if got := readAll(t, q, user, 10); len(got) != 1 || got[0].From != user || got[0].SentAt != message("", n).SentAt {
			t.Errorf("queue of %q: %+v", user, got)
		}
	}
}

func testPayloads(t *testing.T, s opened) {
	q := NewQueue(s.Store, ample)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for i, payload := range [][]byte{nil, {0}, every, []byte(strings.Repeat("ä", 32<<10))} {
		m := Message{ID: fmt.Sprint(i), From: string(every), Payload: payload, SentAt: -int64(i)}
		appendAll(t, q, "payloads", m)
		got := readAll(t, q, "payloads", 1)
		if last := got[len(got)-1]; string(last.Payload) != string(payload) || last.From != m.From || last.SentAt != m.SentAt {
			t.Errorf("payload %d came back as %d bytes", i, len(last.Payload))
		}
	}
}

func testConcurrent(t *testing.T, s opened) {
	const senders, each, most = 8, 25, 150
	q := NewQueue(s.Store, Limits{MaxCount: most, MaxBytes: 1 << 20, TTL: time.Hour})
	var all sync.WaitGroup
	acked := make([][]string, senders) // each owned by its sender until all are done
	for sender := range senders {
		all.Go(func() {
			for n := range each {
				m := message(fmt.Sprint("s", sender), n)
				switch err := q.Append(t.Context(), "concurrent", m); {
				case err == nil:
					acked[sender] = append(acked[sender], m.ID)
				case !errors.Is(err, ErrQueueFull):
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got := make(map[string][]string)
	entries := readAll(t, q, "concurrent", 40)
	for _, e := range entries {
		got[e.From] = append(got[e.From], e.ID)
	}
	if len(entries) != most {
		t.Errorf("%d entries, want %d", len(entries), most)
	}
	for sender, want := range acked {
		if from := fmt.Sprint("s", sender); !slices.Equal(got[from], want) {
			t.Errorf("of %s:\n got %v\nwant %v", from, got[from], want)
		}
	}
}

// testForeign puts entries into the stream that append.lua would not.
func testForeign(t *testing.T, s opened) {
	q := NewQueue(s.Store, Limits{MaxCount: 100, MaxBytes: 1 << 20, TTL: 300 * time.Millisecond})
	key := queueKeys("foreign")[0]
	for range 5 {
		if err := s.client.Do(t.Context(), "XADD", key, "*", "x", "y").Err(); err != nil {
			t.Fatal(err)
		}
	}
	appendAll(t, q, "foreign", message("a", 1))
	if got := ids(readAll(t, q, "foreign", 2)); got != "a-1" {
		t.Errorf("got %q", got)
	}
	time.Sleep(320 * time.Millisecond)
	wantIDs(t, q, "foreign", "")

	// A lost stream does not make its messages repeats, a lost index does not stop the stream.
	q = NewQueue(s.Store, ample)
	for _, key := range queueKeys("lost") {
		appendAll(t, q, "lost", message("a", 1))
		if err := s.client.Del(t.Context(), key).Err(); err != nil {
			t.Fatal(err)
		}
	}
	appendAll(t, q, "lost", message("a", 2))
	wantIDs(t, q, "lost", "a-1 a-2")

	// A key of another kind is an error, and one of this user alone.
	if err := s.client.Set(t.Context(), queueKeys("string")[0], "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for range 2 * tripRow {
		if err := q.Append(t.Context(), "string", message("a", 1)); err == nil || errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
	}
	if err := s.Health(); err != nil {
		t.Error(err)
	}
}

// testWaiting: who has a queue is told so, who never had one or whose queue is gone is not.
func testWaiting(t *testing.T, s opened) {
	limits := ample
	limits.TTL = 300 * time.Millisecond
	q := NewQueue(s.Store, limits)
	want := func(users ...string) {
		t.Helper()
		got, err := q.Waiting(t.Context(), []string{"waiting a", "waiting b", "waiting nobody"})
		if err != nil || len(got) != len(users) {
			t.Fatalf("waiting %v, %v, want %q", got, err, users)
		}
		for _, user := range users {
			if !got[user] {
				t.Fatalf("waiting %v, want %q", got, users)
			}
		}
	}
	want()
	appendAll(t, q, "waiting a", message("x", 1))
	want("waiting a")
	appendAll(t, q, "waiting b", message("x", 2))
	want("waiting a", "waiting b")
	eventually(t, 5*time.Second, "the queues are gone", func() bool {
		got, err := q.Waiting(t.Context(), []string{"waiting a", "waiting b"})
		return err == nil && len(got) == 0
	})
	appendAll(t, q, "waiting a", message("x", 3))
	want("waiting a")
}
