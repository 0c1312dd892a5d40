package store

import (
	"strings"
	"testing"
	"time"
)

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
	s.bend(t, "begin", time.Hour, time.Now().Add(time.Hour))
	a.Note(session("begin", "I", "i"), true)
	a.write(t)
	b.wantTake(t, "begin", "begin", "J", "I", "i")
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
		if r := s.record(t, id); r == nil || r.left > want || r.left < want-2*time.Second {
			t.Fatalf("%s is %+v, to live for %v", id, r, want)
		}
	}
	shorten := func(id string) {
		t.Helper()
		s.bend(t, id, time.Minute, time.Time{})
	}
	touched, written := s.value(t, "realtime_sessions_touched_total"), s.value(t, "realtime_sessions_written_total")
	g.Note(session("life", "A", "1"), true)
	g.write(t)
	wantLeft("life", ttl+time.Minute)
	shorten("life")
	g.Touch(session("life", "A", "unchanged")) // not sent
	g.write(t)
	wantLeft("life", ttl+time.Minute)
	if got, want := s.record(t, "life").state, "1"; got != want {
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
		s.lose(t, "life")
		note(session("life", "B", "3"))
		g.write(t)
		if got := s.record(t, "life").state; got != "3" {
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
		return s.record(t, "short") == nil
	})
	g.wantNone(t, "short", "short")
	g.wantTake(t, "shorter", "shorter", "B", "A", "1")
}
