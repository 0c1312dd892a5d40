package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// gateway is a Sessions as one process has it, and what it was told.
type gateway struct {
	*Sessions
	mu   sync.Mutex
	told []loss // guarded by mu
}

func newGateway(s opened, ttl time.Duration) *gateway {
	g := new(gateway)
	g.Sessions = NewSessions(s.Store, ttl, func(id, holder string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.told = append(g.told, loss{id, holder})
	})
	return g
}

// run runs g until stop is called, which returns when it has ended; the test's end calls it, too.
func (g *gateway) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// write does what Run does now and then.
func (g *gateway) write(t testing.TB) {
	t.Helper()
	if err := g.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.tell()
	if got := g.waits(); got != 0 {
		t.Fatalf("%d notes wait after a flush", got)
	}
}

// waits is how many notes wait; it checks that they are counted right.
func (g *gateway) waits() int {
	g.Sessions.mu.Lock()
	defer g.Sessions.mu.Unlock()
	notes, bytes := 0, 0
	for _, w := range g.pending {
		for ; w != nil; w = w.next {
			notes++
			bytes += len(w.State)
		}
	}
	if notes != g.notes || bytes != g.bytes {
		panic(fmt.Sprintf("%d notes of %d bytes wait, counted %d of %d", notes, bytes, g.notes, g.bytes))
	}
	return notes
}

// hears returns what g was told since it was last asked: ID/holder.
func (g *gateway) hears() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, l := range g.told {
		all = append(all, l.id+"/"+l.holder)
	}
	g.told = nil
	return strings.Join(all, " ")
}

func (g *gateway) wantHears(t *testing.T, want string) {
	t.Helper()
	if got := g.hears(); got != want {
		t.Fatalf("told of %q as lost, want %q", got, want)
	}
}

func (g *gateway) wantTake(t *testing.T, id, user, holder, former, state string) {
	t.Helper()
	got, err := g.Take(t.Context(), id, user, holder)
	if err != nil || got.ID != id || got.User != user || got.Holder != former || string(got.State) != state {
		t.Fatalf("%s took %q of %q from %q with %q, %v, want from %q with %q", holder, id, user, got.Holder, got.State, err, former, state)
	}
}

func (g *gateway) wantNone(t *testing.T, id, user string) {
	t.Helper()
	if got, err := g.Take(t.Context(), id, user, "x"); !errors.Is(err, ErrNoSession) {
		t.Fatalf("took %q of %q: %+v, %v, want none", id, user, got, err)
	}
}

// session is one of a user who has the same name.
func session(id, holder, state string) Session {
	return Session{ID: id, User: id, Holder: holder, State: []byte(state)}
}

func testSession(t *testing.T, s opened) {
	one, other := newGateway(s, time.Hour), newGateway(s, time.Hour)
	stop := one.run(t)
	written := s.value(t, "realtime_sessions_written_total")
	names := []string{"a", "{", "}", "a}b", "a%7Db", "{a}b", "ü", " ", "\x00\xff", "a:session:a", "dm", strings.Repeat("x", MaxSessionID)}
	for _, id := range names {
		for _, user := range names {
			one.Note(Session{ID: id, User: user, Holder: "h", State: []byte(id + user)}, true)
		}
	}
	eventually(t, 4*sessionEvery, "all is written", func() bool { return one.waits() == 0 })
	for _, id := range names {
		for _, user := range names {
			other.wantTake(t, id, user, "i", "h", id+user)
		}
	}
	for _, bad := range []sessionID{{"session", "a"}, {"a", "none"}, {"a", ""}, {"", "a"}, {"a", strings.Repeat("x", MaxSessionID+1)}} {
		other.wantNone(t, bad.id, bad.user)
	}
	one.Note(session("last", "h", "end"), true) // and the end does not wait for a tick
	stop()
	if got := one.waits(); got != 0 {
		t.Errorf("%d notes left at the end", got)
	}
	other.wantTake(t, "last", "last", "i", "h", "end")
	if got, want := s.value(t, "realtime_sessions_written_total")-written, float64(len(names)*len(names)+1); got != want {
		t.Errorf("%v counted as written, want %v", got, want)
	}
	if got := s.value(t, "realtime_sessions_pending"); got != 0 {
		t.Errorf("%v said to wait, want 0", got)
	}
	one.wantHears(t, "")
}

// testSessionFence: once B took a session, nothing of A is written any more.
func testSessionFence(t *testing.T, s opened) {
	a, b := newGateway(s, time.Hour), newGateway(s, time.Hour)
	a.Note(session("fence", "A", "1"), true)
	a.Note(session("fence", "A", "2"), false)
	a.write(t)
	a.Note(session("fence", "A", "3"), false) // waits while B takes
	b.wantTake(t, "fence", "fence", "B", "A", "2")
	a.write(t)
	a.wantHears(t, "fence/A")
	for _, note := range []func(Session){func(s Session) { a.Note(s, false) }, a.Touch, a.End} {
		note(session("fence", "A", "4"))
		a.write(t)
		a.wantHears(t, "fence/A")
	}
	b.Note(session("fence", "B", "5"), false)
	b.write(t)
	b.wantHears(t, "")
	a.wantTake(t, "fence", "fence", "C", "B", "5")
	// Here, what waits is written first: it is the newest state there is.
	a.Note(session("fence", "C", "6"), false)
	a.wantTake(t, "fence", "fence", "D", "C", "6")
	a.Note(session("fence", "D", "7"), false)
	a.Note(session("fence", "C", "8"), false)
	a.write(t)
	a.wantHears(t, "fence/C")
	b.wantTake(t, "fence", "fence", "E", "D", "7")
}

// testSessionBegin: of two that begin the same session it is the later one's, in whatever order they are written.
func testSessionBegin(t *testing.T, s opened) {
	a, b := newGateway(s, time.Hour), newGateway(s, time.Hour)
	a.Note(session("begin", "A", "a"), true)
	a.write(t)
	b.Note(session("begin", "B", "b"), true)
	b.write(t)
	b.wantHears(t, "")
	a.Touch(session("begin", "A", "a"))
	a.write(t)
	a.wantHears(t, "begin/A")

	a.Note(session("begin", "C", "c"), true)
	time.Sleep(50 * time.Millisecond)
	b.Note(session("begin", "D", "d"), true)
	b.write(t)
	a.Note(session("begin", "C", "c2"), false)
	a.write(t)
	a.wantHears(t, "begin/C")
	b.wantTake(t, "begin", "begin", "E", "D", "d")

	// On one gateway, both wait.
	a.Note(session("begin", "F", "f"), true)
	a.Note(session("begin", "G", "g"), true)
	a.Note(session("begin", "F", "f2"), false)
	a.write(t)
	a.Note(session("begin", "F", "f3"), false)
	a.write(t)
	a.wantHears(t, "begin/F")
	b.wantTake(t, "begin", "begin", "H", "G", "g")

	// A clock that went back does not keep anybody out.
	if err := s.client.HSet(t.Context(), sessionKey("begin", "begin"), "since", time.Now().Add(time.Hour).UnixMicro()).Err(); err != nil {
		t.Fatal(err)
	}
	a.Note(session("begin", "I", "i"), true)
	a.write(t)
	b.wantTake(t, "begin", "begin", "J", "I", "i")
}

// testSessionLate writes notes again, and late: after a connection broke, nobody knows what became of them.
func testSessionLate(t *testing.T, s opened) {
	a, b := newGateway(s, time.Hour), newGateway(s, time.Hour)
	sent := func() []sending {
		batch, _ := a.batch([]sessionID{{"late", "late"}})
		return batch
	}
	again := func(batch []sending, want string) {
		t.Helper()
		scripts, err := a.call(t.Context(), batch)
		if err != nil || fmt.Sprint(scripts[0].reply.Val()) != "["+want+"]" {
			t.Fatalf("%v, %v, want %s", scripts[0].reply, err, want)
		}
	}
	a.Note(session("late", "A", "1"), true)
	first := sent()
	a.write(t)
	a.Note(session("late", "A", "2"), false)
	second := sent()
	a.write(t)
	again(first, "noted")
	time.Sleep(50 * time.Millisecond) // clearly later than the beginning
	b.wantTake(t, "late", "late", "B", "A", "2")
	again(first, "lost") // although it is a beginning
	again(second, "lost")
	b.wantTake(t, "late", "late", "A2", "B", "2")
	a.End(session("late", "A2", "3"))
	end := sent()
	a.write(t)
	again(end, "lost")
	a.wantHears(t, "")
	b.wantTake(t, "late", "late", "C", "", "3")
	again(end, "lost")
	b.wantTake(t, "late", "late", "D", "C", "3")
}

// testSessionTakes: each of several that take a session at once gets the one before it.
func testSessionTakes(t *testing.T, s opened) {
	const gateways, each = 3, 20
	first := newGateway(s, time.Hour)
	first.Note(session("takes", "first", "state"), true)
	first.write(t)
	var all sync.WaitGroup
	former := make([]string, gateways*each) // each owned by its goroutine until all are done
	for i := range gateways {
		g := newGateway(s, time.Hour)
		for j := range each {
			all.Go(func() {
				holder := i*each + j
				got, err := g.Take(t.Context(), "takes", "takes", fmt.Sprint(holder))
				if err != nil || string(got.State) != "state" {
					t.Errorf("took %q, %v", got.State, err)
				}
				former[holder] = got.Holder
			})
		}
	}
	all.Wait()
	// From the last one back to the first, through all.
	last, err := first.Take(t.Context(), "takes", "takes", "last")
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for at := last.Holder; at != "first"; steps++ {
		var n int
		if _, err := fmt.Sscan(at, &n); err != nil || steps > len(former) {
			t.Fatalf("no chain: %q", former)
		}
		at = former[n]
	}
	if steps != len(former) {
		t.Errorf("a chain of %d, want %d: %q", steps, len(former), former)
	}
}

// testSessionLife: how long records live.
func testSessionLife(t *testing.T, s opened) {
	const ttl = 5 * time.Minute
	g := newGateway(s, ttl)
	if got := g.Refresh(); got != time.Minute {
		t.Errorf("to be refreshed every %v", got)
	}
	wantLeft := func(id string, want time.Duration) {
		t.Helper()
		left, err := s.client.PTTL(t.Context(), sessionKey(id, id)).Result()
		if err != nil || left > want+maxTick || left < want-2*maxTick {
			t.Fatalf("%s lives for %v, %v, want %v", id, left, err, want)
		}
	}
	shorten := func(id string) {
		t.Helper()
		if err := s.client.PExpire(t.Context(), sessionKey(id, id), time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
	}
	touched, written := s.value(t, "realtime_sessions_touched_total"), s.value(t, "realtime_sessions_written_total")
	g.Note(session("life", "A", "1"), true)
	g.write(t)
	wantLeft("life", ttl+time.Minute)
	shorten("life")
	g.Touch(session("life", "A", "unchanged")) // not sent
	g.write(t)
	wantLeft("life", ttl+time.Minute)
	if got, want := s.client.HGet(t.Context(), sessionKey("life", "life"), "state").Val(), "1"; got != want {
		t.Errorf("the state is %q after a touch, want %q", got, want)
	}
	if got := s.value(t, "realtime_sessions_touched_total") - touched; got != 1 {
		t.Errorf("%v touched, want 1", got)
	}
	g.End(session("life", "A", "2"))
	g.write(t)
	wantLeft("life", ttl)
	g.wantTake(t, "life", "life", "B", "", "2")
	wantLeft("life", ttl+time.Minute)

	// What Redis has lost is written anew, also by a touch.
	for _, note := range []func(Session){func(s Session) { g.Note(s, false) }, g.Touch, g.End} {
		if err := s.client.Del(t.Context(), sessionKey("life", "life")).Err(); err != nil {
			t.Fatal(err)
		}
		note(session("life", "B", "3"))
		g.write(t)
		if got := s.client.HGet(t.Context(), sessionKey("life", "life"), "state").Val(); got != "3" {
			t.Errorf("the state is %q, want 3", got)
		}
	}
	if got := s.value(t, "realtime_sessions_written_total") - written; got != 5 {
		t.Errorf("%v written, want 5", got)
	}
	// A touch does not hide what was noted before it, nor the end what began.
	g.Note(session("both", "A", "1"), true)
	g.Touch(session("both", "A", "1"))
	g.write(t)
	g.End(session("both", "A", "2"))
	g.write(t)
	g.wantTake(t, "both", "both", "B", "", "2")
	g.wantHears(t, "")

	g = newGateway(s, 300*time.Millisecond)
	g.Note(session("short", "A", "1"), true)
	g.End(session("short", "A", "2"))
	g.write(t)
	g.Note(session("shorter", "A", "1"), true)
	g.write(t)
	eventually(t, 4*time.Second, "it is gone", func() bool {
		return s.client.Exists(t.Context(), sessionKey("short", "short")).Val() == 0
	})
	g.wantNone(t, "short", "short")
	g.wantTake(t, "shorter", "shorter", "B", "A", "1")
}

func testSessionMany(t *testing.T, s opened) {
	g := newGateway(s, time.Hour)
	const many = 2*sessionBatch + 7
	large := strings.Repeat("x", sessionChunk/10)
	for i := range many {
		state := fmt.Sprint(i)
		if i%50 == 0 {
			state += large
		}
		g.Note(session(fmt.Sprint("many", i), "A", state), true)
	}
	g.write(t)
	for i := range many {
		g.Touch(session(fmt.Sprint("many", i), "A", ""))
		g.End(session(fmt.Sprint("many", i), "A", fmt.Sprint(i)))
	}
	if err := g.Flush(t.Context(), "many3", "many3"); err != nil || g.waits() != many-1 {
		t.Errorf("%d wait after one was written, %v", g.waits(), err)
	}
	g.write(t)
	for i := range many {
		id := fmt.Sprint("many", i)
		g.wantTake(t, id, id, "B", "", fmt.Sprint(i))
	}
}

func testSessionBound(t *testing.T, s opened) {
	g := newGateway(s, time.Hour)
	g.most, g.mostBytes = 3, 10
	before := s.value(t, "realtime_sessions_dropped_total", "reason", "full")
	g.Note(session("bound a", "A", "1"), true)
	g.Note(session("bound b", "A", "1"), true)
	g.Note(session("bound b", "B", "1"), true)
	g.Note(session("bound c", "A", "1"), true)            // one too many
	g.Note(session("bound a", "A", "23456789"), false)    // just fits
	g.Note(session("bound a", "A", "123456789"), false)   // does not
	g.Note(session("bound b", "B", "1234567890"), false)  // does not
	g.Note(session("bound a", "A", "2345678"), false)     // fits
	g.Note(Session{ID: "bound", User: "bound"}, true)     // nobody's
	g.Note(Session{ID: "", User: "u", Holder: "A"}, true) // none
	if got := s.value(t, "realtime_sessions_dropped_total", "reason", "full") - before; got != 3 {
		t.Errorf("%v dropped, want 3", got)
	}
	g.write(t)
	g.wantTake(t, "bound a", "bound a", "C", "A", "2345678")
	g.wantTake(t, "bound b", "bound b", "C", "B", "1")
	g.wantNone(t, "bound c", "bound c")
	// There is room again, and what was dropped is written anew.
	g.Note(session("bound c", "A", "2"), false)
	g.write(t)
	g.wantTake(t, "bound c", "bound c", "C", "A", "2")

	// What was lost and is not told counts as well.
	for _, id := range []string{"bound a", "bound b", "bound c"} {
		g.Touch(session(id, "A", ""))
	}
	if err := g.FlushAll(t.Context()); err != nil || len(g.losses) != 3 {
		t.Fatalf("%d lost, %v, want 3", len(g.losses), err)
	}
	g.Note(session("bound d", "A", "1"), true)
	if g.waits() != 0 {
		t.Error("more waits than may")
	}
	g.write(t)
	if got := strings.Fields(strings.ReplaceAll(g.hears(), "bound ", "")); len(got) != 3 || !slices.Contains(got, "b/A") {
		t.Errorf("told of %q", got)
	}
}

// testSessionForeign has a key of another kind in the way: it costs nobody else anything.
func testSessionForeign(t *testing.T, s opened) {
	g := newGateway(s, time.Hour)
	if err := s.client.Set(t.Context(), sessionKey("foreign", "foreign"), "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	before := s.value(t, "realtime_sessions_dropped_total", "reason", "refused")
	for i := range 2 * tripRow {
		g.Note(session("foreign", "A", "1"), false)
		g.Note(session("native", "A", fmt.Sprint(i)), i == 0)
		g.write(t)
		if _, err := g.Take(t.Context(), "foreign", "foreign", "B"); err == nil || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNoSession) {
			t.Fatalf("took: %v", err)
		}
	}
	if got := s.value(t, "realtime_sessions_dropped_total", "reason", "refused") - before; got != 2*tripRow {
		t.Errorf("%v dropped, want %d", got, 2*tripRow)
	}
	g.wantTake(t, "native", "native", "B", "A", fmt.Sprint(2*tripRow-1))
	if err := s.Health(); err != nil {
		t.Error(err)
	}
	// A hash without a holder, or without a state, is no session.
	if err := s.client.HSet(t.Context(), sessionKey("hash", "hash"), "state", "x").Err(); err != nil {
		t.Fatal(err)
	}
	g.wantNone(t, "hash", "hash")
	g.Note(session("hash", "A", "1"), false)
	g.write(t)
	g.wantTake(t, "hash", "hash", "B", "A", "1")
}

// testSessionUnknown: a Redis that has forgotten the scripts is told them again.
func testSessionUnknown(t *testing.T, s opened) {
	g := newGateway(s, time.Hour)
	for round := range 3 {
		if err := s.client.ScriptFlush(t.Context()).Err(); err != nil { // of all nodes
			t.Fatal(err)
		}
		for i := range 50 {
			id := fmt.Sprint("unknown", i)
			g.Note(session(id, fmt.Sprint("A", round), fmt.Sprint(round)), true)
		}
		g.write(t)
		if err := s.client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			id := fmt.Sprint("unknown", i)
			g.wantTake(t, id, id, "B", fmt.Sprint("A", round), fmt.Sprint(round))
		}
	}
	g.wantHears(t, "")
}

// testSessionMeanwhile has notes come while others are being written.
func testSessionMeanwhile(t *testing.T, s opened) {
	g := newGateway(s, time.Hour)
	id := sessionID{"meanwhile", "meanwhile"}
	note := func(state string, begin bool) { g.Note(session(id.id, "A", state), begin) }
	write := func(meanwhile func()) {
		t.Helper()
		batch, _ := g.batch([]sessionID{id})
		meanwhile()
		again, err := g.Sessions.write(t.Context(), batch)
		if err != nil || len(again) > 0 {
			t.Fatalf("%d to be told again, %v", len(again), err)
		}
	}
	note("1", true)
	write(func() { note("2", false) })
	if w := g.pending[id]; w == nil || string(w.State) != "2" || !w.begun.IsZero() {
		t.Errorf("%+v waits, want the second, which does not begin any more", w)
	}
	write(func() { g.End(session(id.id, "A", "3")) })
	write(func() {})
	g.write(t)
	g.wantTake(t, id.id, id.user, "B", "", "3")

	// Of two holders, one of whom lost it.
	g.Note(session(id.id, "A", "4"), false)
	g.Note(session(id.id, "B", "5"), false)
	write(func() { note("6", false) })
	g.write(t)
	g.wantHears(t, "meanwhile/A")
	g.wantTake(t, id.id, id.user, "C", "B", "5")
}

// All clients of a gateway that died come at once: each gets its session, in a few calls.
func testSessionTakesAtOnce(t *testing.T, s opened) {
	sessions := 2000
	if s.embedded != nil {
		sessions = 50 // its scripts are slow
	}
	died, g := newGateway(s, time.Hour), newGateway(s, time.Hour)
	for i := range sessions {
		died.Note(session(fmt.Sprint("at once ", i), "died", "state"), true)
	}
	died.write(t)
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() {
			id := fmt.Sprint("at once ", i)
			got, err := g.Take(t.Context(), id, id, fmt.Sprint("new ", i))
			if err != nil || got.Holder != "died" {
				t.Errorf("session %d: %+v, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	if len(g.takes) != 0 {
		t.Errorf("%d takings are left", len(g.takes))
	}
}
