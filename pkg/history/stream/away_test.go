package stream

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

// TestServerAway: without a server all fails in time, and works again when it is back.
func TestServerAway(t *testing.T) {
	t.Parallel()
	const timeout = 400 * time.Millisecond
	for _, used := range []bool{false, true} {
		t.Run(fmt.Sprintf("used before %v", used), func(t *testing.T) {
			c := streamtest.Start(t, 1)
			s := on(t, c.Connect(t), func(cfg *Config) { cfg.Timeout = timeout })
			seq := uint64(0)
			var want []string
			if used {
				seq, want = must(t, s, "a", 0, "first"), []string{"first"}
			}
			streamtest.Eventually(t, 2*time.Second, "ready", func() bool { return s.Ready() == nil })
			c.Stop(0)
			wantAway(t, s, timeout+200*time.Millisecond)
			if err := s.Ready(); !errors.Is(err, history.ErrUnavailable) {
				t.Errorf("ready: %v", err)
			}
			c.Restart(t, 0)
			streamtest.Eventually(t, 5*time.Second, "ready", func() bool { return s.Ready() == nil })
			must(t, s, "a", seq, "second")
			wantRead(t, s, "a", append(want, "second"))
		})
	}
}

func wantAway(t *testing.T, s *Store, within time.Duration) {
	t.Helper()
	var wg sync.WaitGroup
	for name, call := range map[string]func() error{
		"append": func() error { return second(store1(s, "a", 0, "lost")) },
		"last":   func() error { return second(s.Last(t.Context(), []string{"a"})) },
		"many":   func() error { return second(s.Last(t.Context(), []string{"a", "b", "c"})) },
		"read":   func() error { return second(s.Read(t.Context(), "a", 0, 1, 1)) },
		"trim":   func() error { return s.Trim(t.Context(), "a", 9) },
	} {
		wg.Go(func() {
			start := time.Now()
			if err := call(); !errors.Is(err, history.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > within {
				t.Errorf("%s took %v", name, took)
			}
		})
	}
	wg.Wait()
}

// TestShortAbsence: a server that restarts costs a pause, where nothing was under way.
func TestShortAbsence(t *testing.T) {
	t.Parallel()
	c := streamtest.Start(t, 1)
	s := on(t, c.Connect(t), func(cfg *Config) { cfg.Timeout = 5 * time.Second })
	seq := must(t, s, "a", 0, "first")
	c.Stop(0)
	streamtest.Eventually(t, time.Second, "a lost connection", func() bool { return !s.conn.IsConnected() })
	done := make(chan result, 1)
	s.Append("a", seq, []byte("second"), func(seq uint64, err error) { done <- result{seq, err} })
	c.Restart(t, 0)
	ok(t, (<-done).err)
	wantRead(t, s, "a", []string{"first", "second"})
}

// TestLostConnection ends writes at once whose answers went with the connection.
func TestLostConnection(t *testing.T) {
	c := streamtest.Start(t, 1)
	s := on(t, c.Connect(t), nil)
	must(t, s, "a", 0, "first")
	// Somebody takes what is written and never answers.
	ok(t, s.js.DeleteStream(t.Context(), s.partition("a").stream))
	taken := make(chan *nats.Msg, 1)
	nc := c.Connect(t)
	sub, err := nc.ChanSubscribe(s.partition("a").prefix+">", taken)
	ok(t, err)
	ok(t, nc.Flush())
	done := make(chan error, 1)
	s.Append("a", 0, []byte("lost"), func(_ uint64, err error) { done <- err })
	<-taken
	start := time.Now()
	id, err := s.conn.GetClientID()
	ok(t, err)
	ok(t, c.Running(0).DisconnectClientByID(id))
	wantError(t, <-done, errLost)
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
	ok(t, sub.Unsubscribe())
	ok(t, nc.Flush())
	must(t, s, "a", 0, "again")
}

// TestNoMajority: one server of three answers for nothing.
func TestNoMajority(t *testing.T) {
	t.Parallel()
	const timeout = 500 * time.Millisecond
	c := streamtest.Start(t, 3)
	s := on(t, c.Connect(t), func(cfg *Config) { cfg.Timeout = timeout })
	var seq uint64
	streamtest.Eventually(t, 10*time.Second, "a stream", func() (good bool) {
		var err error
		seq, err = store1(s, "a", 0, "first")
		return err == nil
	})
	c.Stop(0)
	c.Stop(1)
	streamtest.Eventually(t, 5*time.Second, "a connection", s.conn.IsConnected)
	start := time.Now()
	_, err := store1(s, "a", seq, "second")
	wantError(t, err, history.ErrUnavailable)
	if took := time.Since(start); took > timeout+200*time.Millisecond {
		t.Errorf("took %v", took)
	}
	c.Restart(t, 0)
	streamtest.Eventually(t, 15*time.Second, "an append", func() bool {
		_, err := store1(s, "a", seq, "third")
		return err == nil || errors.Is(err, history.ErrConflict)
	})
	streamtest.Eventually(t, 5*time.Second, "a later entry", func() bool {
		entries, err := s.Last(t.Context(), []string{"a"})
		return err == nil && entries["a"].Seq > seq
	})
}
