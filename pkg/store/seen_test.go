package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

// runSeen runs n until stop is called, which returns when it has ended; the test's end calls it, too.
func runSeen(t *testing.T, n *Seen) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.Run(ctx); err != nil {
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

// waiting is how many users wait to be written.
func (n *Seen) waiting() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pending)
}

func wantSeen(t *testing.T, n *Seen, want map[string]int64, users ...string) {
	t.Helper()
	if got, err := n.Read(t.Context(), users); err != nil || !maps.Equal(got, want) {
		t.Fatalf("seen %v, %v, want %v", got, err, want)
	}
}

// at is a time, ms later than others.
func at(ms int64) int64 { return 1763856000000 + ms }

func testSeen(t *testing.T, s opened) {
	n := NewSeen(s.Store, time.Hour)
	stop := runSeen(t, n)
	written := s.value(t, "realtime_seen_written_total")
	users := []string{"alice", "{", "}", "a}b", "a%7Db", "{a}b", "ü", " ", "\x00\xff", "alice:seen"}
	want := make(map[string]int64)
	for i, user := range users {
		n.Note(user, at(int64(i)))
		want[user] = at(int64(i))
	}
	asked := append(users, "nobody", "alice")
	wantSeen(t, n, want, asked...) // written or not
	wantSeen(t, n, map[string]int64{})
	eventually(t, 4*seenEvery, "all is written", func() bool { return n.waiting() == 0 })
	wantSeen(t, n, want, asked...)
	wantSeen(t, NewSeen(s.Store, time.Hour), want, asked...)

	n.Note("bob", at(1)) // and the end does not wait for a tick
	stop()
	if got := n.waiting(); got != 0 {
		t.Errorf("%d users left at the end", got)
	}
	wantSeen(t, NewSeen(s.Store, time.Hour), map[string]int64{"bob": at(1)}, "bob")
	if got := s.value(t, "realtime_seen_written_total") - written; got != float64(len(users)+1) {
		t.Errorf("%v counted as written, want %d", got, len(users)+1)
	}
	if got := s.value(t, "realtime_seen_pending"); got != 0 {
		t.Errorf("%v said to wait, want 0", got)
	}
}

// testSeenForward has two owners of the same users: what is older does not replace what is newer.
func testSeenForward(t *testing.T, s opened) {
	one, other := NewSeen(s.Store, time.Hour), NewSeen(s.Store, time.Hour)
	one.Note("forward", at(5))
	one.Note("forward", at(3))
	wantSeen(t, one, map[string]int64{"forward": at(5)}, "forward")
	one.flush(t.Context())
	other.Note("forward", at(4))
	wantSeen(t, other, map[string]int64{"forward": at(5)}, "forward")
	other.flush(t.Context())
	if other.waiting() != 0 {
		t.Error("an older time still waits")
	}
	wantSeen(t, one, map[string]int64{"forward": at(5)}, "forward")
	other.Note("forward", at(6))
	wantSeen(t, one, map[string]int64{"forward": at(5)}, "forward")
	other.flush(t.Context())
	wantSeen(t, one, map[string]int64{"forward": at(6)}, "forward")
}

func testSeenMany(t *testing.T, s opened) {
	n := NewSeen(s.Store, time.Hour)
	users, want := make([]string, 2*seenBatch+7), make(map[string]int64)
	for i := range users {
		users[i] = fmt.Sprint("many", i)
		want[users[i]] = at(int64(i))
		n.Note(users[i], at(int64(i)))
	}
	n.flush(t.Context())
	if got := n.waiting(); got != 0 {
		t.Errorf("%d of %d wait after a flush", got, len(users))
	}
	wantSeen(t, NewSeen(s.Store, time.Hour), want, users...)
}

func testSeenBound(t *testing.T, s opened) {
	n := NewSeen(s.Store, time.Hour)
	n.most = 2
	before := s.value(t, "realtime_seen_dropped_total", "reason", "full")
	for i, user := range []string{"bound a", "bound b", "bound c", "bound a"} {
		n.Note(user, at(int64(i)))
	}
	if got := s.value(t, "realtime_seen_dropped_total", "reason", "full") - before; got != 1 {
		t.Errorf("%v dropped, want 1", got)
	}
	want := map[string]int64{"bound a": at(3), "bound b": at(1)}
	wantSeen(t, n, want, "bound a", "bound b", "bound c")
	n.flush(t.Context())
	n.Note("bound c", at(9)) // there is room again
	want["bound c"] = at(9)
	wantSeen(t, n, want, "bound a", "bound b", "bound c")
}

func testSeenExpires(t *testing.T, s opened) {
	n := NewSeen(s.Store, 200*time.Millisecond)
	n.Note("expires", at(1))
	n.flush(t.Context())
	eventually(t, 3*time.Second, "it is forgotten", func() bool {
		got, err := n.Read(t.Context(), []string{"expires"})
		return err == nil && len(got) == 0
	})
	n = NewSeen(s.Store, time.Hour)
	n.Note("expires", at(1))
	n.flush(t.Context())
	if s.embedded != nil {
		if left := time.Until(time.UnixMilli(s.embedded.memory.seen["expires"].until)); left > time.Hour || left < 59*time.Minute {
			t.Errorf("forgotten in %v, want an hour", left)
		}
		return
	}
	if left, err := s.client.PTTL(t.Context(), seenKey("expires")).Result(); err != nil || left > time.Hour || left < 59*time.Minute {
		t.Errorf("forgotten in %v, %v, want an hour", left, err)
	}
}

// testSeenForeign has a key of another kind in the way: it costs nobody else anything.
func testSeenForeign(t *testing.T, s opened) {
	s.redis(t)
	n := NewSeen(s.Store, time.Hour)
	if err := s.client.Set(t.Context(), seenKey("foreign"), "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	before := s.value(t, "realtime_seen_dropped_total", "reason", "refused")
	for range 2 * tripRow {
		n.Note("foreign", at(1))
		n.Note("native", at(1))
		n.flush(t.Context())
		if got := n.waiting(); got != 0 {
			t.Fatalf("%d wait", got)
		}
	}
	if got := s.value(t, "realtime_seen_dropped_total", "reason", "refused") - before; got != 2*tripRow {
		t.Errorf("%v dropped, want %d", got, 2*tripRow)
	}
	got, err := n.Read(t.Context(), []string{"foreign", "native"})
	if err == nil || errors.Is(err, ErrUnavailable) || !maps.Equal(got, map[string]int64{"native": at(1)}) {
		t.Errorf("seen %v, %v", got, err)
	}
	if err := s.Health(); err != nil {
		t.Error(err)
	}
}

// testSeenConcurrent has several processes note the same users in any order: the latest times win.
func testSeenConcurrent(t *testing.T, s opened) {
	const processes, users, each = 3, 20, 200
	var all sync.WaitGroup
	for p := range int64(processes) {
		n := NewSeen(s.Store, time.Hour)
		stop := runSeen(t, n)
		all.Go(func() {
			for i := range int64(each) {
				n.Note(fmt.Sprint("concurrent", i%users), at((i*7+p*3)%each))
				if i%10 == 0 {
					n.flush(t.Context()) // beside Run
				}
			}
			stop()
		})
	}
	all.Wait()
	names, want := make([]string, users), make(map[string]int64)
	for i := range int64(each) {
		name := fmt.Sprint("concurrent", i%users)
		names[i%users] = name
		for p := range int64(processes) {
			want[name] = max(want[name], at((i*7+p*3)%each))
		}
	}
	wantSeen(t, NewSeen(s.Store, time.Hour), want, names...)
}

// TestSeenAway: what is noted while Redis is away is written once it is back.
func TestSeenAway(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := open(t, server.url())
	s.run(t)
	n := NewSeen(s.Store, time.Hour)
	stop := runSeen(t, n)
	n.Note("away", at(1))
	eventually(t, 4*seenEvery, "it is written", func() bool { return n.waiting() == 0 })

	server.kill()
	eventually(t, 5*time.Second, "the breaker is open", func() bool { return s.Health() != nil })
	n.Note("away", at(2))
	got, err := n.Read(t.Context(), []string{"away", "other"})
	if !errors.Is(err, ErrUnavailable) || !maps.Equal(got, map[string]int64{"away": at(2)}) {
		t.Errorf("seen %v, %v, want what waits, and that Redis is away", got, err)
	}
	time.Sleep(2 * seenEvery)
	if n.waiting() != 1 {
		t.Error("a note is gone while Redis is away")
	}
	server.start()
	took := eventually(t, 5*time.Second, "it is written", func() bool { return n.waiting() == 0 })
	t.Logf("written after %v", took)
	wantSeen(t, NewSeen(s.Store, time.Hour), map[string]int64{"away": at(2)}, "away")
	stop()
	if got := s.value(t, "realtime_seen_dropped_total"); got != 0 {
		t.Errorf("%v dropped, want none", got)
	}
}

// TestSeenEnd: a Redis that is away, or says nothing, does not hold up the end.
func TestSeenEnd(t *testing.T) {
	for name, leave := range map[string]func(*server){
		"killed": (*server).kill, "stopped": func(s *server) { s.signal(syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			s := open(t, server.url())
			n := NewSeen(s.Store, time.Hour)
			stop := runSeen(t, n)
			leave(server)
			const users = 3 * seenBatch
			for i := range users {
				n.Note(fmt.Sprint(i), at(0))
			}
			start := time.Now()
			stop()
			if took := time.Since(start); took > seenLast+DefaultTimeout {
				t.Errorf("the end took %v", took)
			}
			if got := s.value(t, "realtime_seen_dropped_total", "reason", "stopped"); got != users {
				t.Errorf("%v dropped, want %d", got, users)
			}
			if n.waiting() != 0 || s.value(t, "realtime_seen_pending") != 0 {
				t.Error("something still waits")
			}
			if s.logs.FilterField(zap.Int("users", users)).Len() != 1 {
				t.Errorf("logged %q", s.logged())
			}
		})
	}
}

func TestSeenNoteAllocatesNothing(t *testing.T) {
	n := NewSeen(open(t, "").Store, time.Hour)
	n.Note("alice", at(0))
	ms := int64(0)
	if got := testing.AllocsPerRun(1000, func() { ms++; n.Note("alice", at(ms)) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
