package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// failFast fails unless calls are refused without asking Redis.
func failFast(t *testing.T, q *Queue) {
	t.Helper()
	const calls = 100
	start := time.Now()
	for range calls {
		if err := q.Append(t.Context(), "away", message("a", 1)); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("append while Redis is away: %v", err)
		}
	}
	// One of them may be the half-open breaker's try.
	if took := time.Since(start); took > DefaultTimeout+100*time.Millisecond {
		t.Errorf("%d calls took %v", calls, took)
	} else {
		t.Logf("refused in %v each", took/calls)
	}
}

// logged is the level and message of every line.
func (s opened) logged() []string {
	var lines []string
	for _, e := range s.logs.All() {
		lines = append(lines, e.Level.String()+" "+e.Message)
	}
	return lines
}

const (
	logUsing = "info using Redis"
	logAway  = "warn Redis is away: direct messages to absent users are refused, no session is resumed, no token is refreshed or revoked until it is back"
	logBack  = "info Redis is back"
)

func TestAway(t *testing.T) {
	tests := []struct {
		name     string
		leave    func(*server)
		back     func(*server)
		kind     string
		reason   string
		openedIn time.Duration // by calls one after the other
	}{
		{"killed", (*server).kill, (*server).start, "connection", "connection refused", 100 * time.Millisecond},
		{"stopped", func(s *server) { s.signal(syscall.SIGSTOP) }, func(s *server) { s.signal(syscall.SIGCONT) },
			"timeout", "no answer within 500ms", tripRow*DefaultTimeout + 500*time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			s := open(t, server.url())
			s.run(t)
			q := NewQueue(s.Store, ample)
			appendAll(t, q, "away", message("a", 0))
			if err := s.Health(); err != nil {
				t.Errorf("healthy, but %v", err)
			}

			tt.leave(server)
			took := eventually(t, tt.openedIn, "the breaker is open", func() bool {
				if err := q.Append(t.Context(), "away", message("a", 1)); !errors.Is(err, ErrUnavailable) {
					t.Fatalf("append while Redis is away: %v", err)
				}
				return s.Health() != nil
			})
			t.Logf("open after %v", took)
			failFast(t, q)
			if err := s.Health(); err == nil || !strings.HasPrefix(err.Error(), "circuit breaker ") || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("health: %v, want the breaker's state and %q", err, tt.reason)
			}
			if s.value(t, "realtime_breaker_state", "dependency", "redis") == 0 {
				t.Error("the metric says closed")
			}
			if n := s.value(t, "realtime_redis_errors_total", "kind", tt.kind); n < tripRow {
				t.Errorf("%v errors of kind %s, want %d or more", n, tt.kind, tripRow)
			}
			if n := s.value(t, "realtime_redis_errors_total", "kind", "refused"); n < 90 {
				t.Errorf("%v refused, want 90 or more", n)
			}
			// It tries now and then, fails, and says nothing more.
			eventually(t, 5*time.Second, "two tries", func() bool {
				return s.value(t, "realtime_breaker_changes_total", "to", "half-open") >= 2
			})

			tt.back(server)
			took = eventually(t, 5*time.Second, "the breaker is closed", func() bool { return s.Health() == nil })
			t.Logf("closed after %v without a call", took)
			appendAll(t, q, "away", message("a", 2))
			if got, want := s.logged(), []string{logUsing, logAway, logBack}; !slices.Equal(got, want) {
				t.Errorf("logged %q, want %q", got, want)
			}
			if s.value(t, "realtime_breaker_state", "dependency", "redis") != 0 {
				t.Error("the metric does not say closed")
			}
			if n := s.value(t, "realtime_breaker_changes_total", "to", "closed"); n != 1 {
				t.Errorf("closed %v times, want 1", n)
			}
		})
	}
}

// TestStartAway starts before Redis does.
func TestStartAway(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--requirepass", "hunter2")
	server.kill()
	s := open(t, "redis://:hunter2@"+server.addr())
	s.run(t)
	q := NewQueue(s.Store, ample)
	if got, want := s.logged(), []string{logUsing, logAway}; !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
	if s.Health() == nil {
		t.Error("healthy without Redis")
	}
	failFast(t, q)
	server.start()
	took := eventually(t, 5*time.Second, "the breaker is closed", func() bool { return s.Health() == nil })
	t.Logf("closed after %v", took)
	appendAll(t, q, "away", message("a", 1))
	if got, want := s.logged(), []string{logUsing, logAway, logBack}; !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}

// TestWrongPassword is a Redis that answers, and does not let us in.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	server.do("CONFIG SET requirepass other")
	s := open(t, "redis://:hunter2@"+server.addr())
	if err := s.Health(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("health: %v", err)
	}
	for _, e := range s.logs.All() {
		if text := fmt.Sprint(e.Message, e.ContextMap()); strings.Contains(text, "hunter2") {
			t.Errorf("logged %s", text)
		}
	}
}

// TestBusy is a Redis that refuses to write.
func TestBusy(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := open(t, server.url())
	server.do("CONFIG SET maxmemory 1")
	q := NewQueue(s.Store, ample)
	if err := q.Append(t.Context(), "busy", message("a", 1)); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("without memory: %v", err)
	}
}

// TestFailover kills the master of a replica and a sentinel.
func TestFailover(t *testing.T) {
	t.Parallel()
	master, replica, sentinel := startReplicated(t)
	client := replica.client()
	defer client.Close()

	s := open(t, sentinel.url()+"?master_name=m")
	s.run(t)
	q := NewQueue(s.Store, ample)
	appendAll(t, q, "failover", message("a", 1))
	eventually(t, 5*time.Second, "the replica has it", func() bool {
		return client.Exists(context.Background(), queueKeys("failover")...).Val() == 2
	})
	master.kill()
	took := eventually(t, 20*time.Second, "the replica is the master", func() bool {
		return q.Append(t.Context(), "failover", message("a", 2)) == nil
	})
	t.Logf("queued again after %v", took)
	wantIDs(t, q, "failover", "a-1 a-2")
}
