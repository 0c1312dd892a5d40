package store

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestSessionAway: while Redis is away nothing waits for it, and when it is back, empty, all is written anew.
func TestSessionAway(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := open(t, server.url())
	s.run(t)
	g := newGateway(s, time.Hour)
	stop := g.run(t)
	g.Note(session("quiet", "A", "1"), true)
	g.Note(session("busy", "A", "1"), true)
	eventually(t, 4*sessionEvery, "they are written", func() bool { return g.waits() == 0 })

	server.kill()
	eventually(t, 5*time.Second, "the breaker is open", func() bool { return s.Health() != nil })
	g.Touch(session("quiet", "A", "1"))
	g.Note(session("busy", "A", "2"), false)
	g.Note(session("new", "A", "1"), true)
	start := time.Now()
	for range 100 {
		for _, id := range []string{"busy", "other"} { // something waits of one
			if _, err := g.Take(t.Context(), id, id, "B"); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNoSession) {
				t.Fatalf("took while Redis is away: %v", err)
			}
		}
	}
	if took := time.Since(start); took > DefaultTimeout+100*time.Millisecond {
		t.Errorf("200 takes were refused in %v", took)
	}
	time.Sleep(2 * sessionEvery)
	if got := g.waits(); got != 3 {
		t.Errorf("%d notes wait while Redis is away, want 3", got)
	}
	server.start()
	took := eventually(t, 5*time.Second, "they are written", func() bool { return g.waits() == 0 })
	t.Logf("written after %v", took)
	other := newGateway(s, time.Hour)
	other.wantTake(t, "quiet", "quiet", "B", "A", "1")
	other.wantTake(t, "busy", "busy", "B", "A", "2")
	other.wantTake(t, "new", "new", "B", "A", "1")
	stop()
	g.wantHears(t, "")
	if got := s.value(t, "realtime_sessions_dropped_total"); got != 0 {
		t.Errorf("%v dropped, want none", got)
	}
}

// TestSessionPause: a Redis that stands still for a while and then reads what it was sent meanwhile, in any order,
// ends with the newest states.
func TestSessionPause(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := open(t, server.url())
	s.run(t)
	g := newGateway(s, time.Hour)
	g.run(t)
	const sessions = 50
	note := func(n int, begin bool) {
		for i := range sessions {
			g.Note(session(fmt.Sprint("pause", i), "A", fmt.Sprint(n)), begin)
		}
	}
	note(0, true)
	eventually(t, 4*sessionEvery, "they are written", func() bool { return g.waits() == 0 })
	server.signal(syscall.SIGSTOP)
	for n := range 100 {
		note(n, false)
		time.Sleep(20 * time.Millisecond)
	}
	server.signal(syscall.SIGCONT)
	note(100, false)
	eventually(t, 10*time.Second, "they are written", func() bool { return g.waits() == 0 })
	time.Sleep(50 * time.Millisecond) // what else is in its sockets
	for i := range sessions {
		id := fmt.Sprint("pause", i)
		newGateway(s, time.Hour).wantTake(t, id, id, "B", "A", "100")
	}
}

// TestSessionEnd: a Redis that is away, or says nothing, does not hold up the end.
func TestSessionEnd(t *testing.T) {
	for name, leave := range map[string]func(*server){
		"killed": (*server).kill, "stopped": func(s *server) { s.signal(syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			s := open(t, server.url())
			g := newGateway(s, time.Hour)
			stop := g.run(t)
			leave(server)
			const sessions = 3 * sessionBatch
			for i := range sessions {
				g.Note(session(fmt.Sprint(i), "A", "1"), true)
			}
			start := time.Now()
			stop()
			if took := time.Since(start); took > sessionLast+DefaultTimeout {
				t.Errorf("the end took %v", took)
			}
			if got := s.value(t, "realtime_sessions_dropped_total", "reason", "stopped"); got != sessions {
				t.Errorf("%v dropped, want %d", got, sessions)
			}
			if g.waits() != 0 || s.value(t, "realtime_sessions_pending") != 0 {
				t.Error("something still waits")
			}
			if s.logs.FilterField(zap.Int("sessions", sessions)).Len() != 1 {
				t.Errorf("logged %q", s.logged())
			}
		})
	}
}

func TestSessionNoteAllocatesNothing(t *testing.T) {
	g := newGateway(open(t, ""), time.Hour)
	note := session("alice", "A", "1")
	g.Note(note, true)
	if got := testing.AllocsPerRun(1000, func() { g.Note(note, false) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
