package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// testSessionLate writes notes again, and late: after a connection broke, nobody knows what became of them.
func testSessionLate(t *testing.T, s opened) {
	a, b := newGateway(s, time.Hour), newGateway(s, time.Hour)
	sent := func() []sending {
		batch, _ := a.batch([]sessionID{{"late", "late"}})
		return batch
	}
	again := func(batch []sending, want string) {
		t.Helper()
		got, err := a.call(t.Context(), batch)
		if err != nil || !slices.Equal(got, []string{want}) {
			t.Fatalf("%v, %v, want %s", got, err, want)
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
	s.redis(t)
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
	s.redis(t)
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
