package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

// owner appends to one key as an owner does, and remembers what it was told.
type owner struct {
	store *Store
	key   string
	acked []string
	tried []string
}

// run appends until stop is closed. After an unknown outcome it reads what is last.
func (o *owner) run(t *testing.T, stop <-chan struct{}) {
	after := uint64(0)
	unknown := false // the fate of a write
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		data := fmt.Sprint(o.key, "/", n)
		o.tried = append(o.tried, data)
		seq, err := store1(o.store, o.key, after, data)
		if err == nil {
			after, unknown = seq, false
			o.acked = append(o.acked, data)
			continue
		}
		switch {
		case errors.Is(err, history.ErrUnavailable):
			unknown = true
		case unknown && errors.Is(err, history.ErrConflict): // it came after we had read what was last
		default:
			t.Errorf("append: %v, and nobody else writes", err)
			return
		}
		for {
			last, err := o.store.Last(context.Background(), []string{o.key})
			if err == nil {
				after = last[o.key].Seq
				break
			}
		}
	}
}

// check wants what was acknowledged to be there once, in order, and of the rest at most what was tried.
func (o *owner) check(t *testing.T) {
	t.Helper()
	var entries []history.Stored
	var err error
	streamtest.Eventually(t, 10*time.Second, "all that was acknowledged", func() bool {
		entries, err = o.store.Read(t.Context(), o.key, 0, 1<<20, 1<<30)
		return err == nil && contains(datas(entries), o.acked)
	})
	if got := datas(entries); !contains(o.tried, got) {
		t.Errorf("%s: %d entries are not in order or not once: %.500q", o.key, len(got), got)
	}
	if len(o.acked) == 0 {
		t.Errorf("%s: nothing was acknowledged", o.key)
	}
}

// contains tells whether some is in all, in order.
func contains(all, some []string) bool {
	for _, s := range all {
		if len(some) > 0 && some[0] == s {
			some = some[1:]
		}
	}
	return len(some) == 0
}

// TestLeaderLost: servers that lead streams go while owners write.
func TestLeaderLost(t *testing.T) {
	t.Parallel()
	c := streamtest.Start(t, 3)
	s := on(t, c.Connect(t), func(cfg *Config) { cfg.Timeout = 2 * time.Second })
	owners := make([]*owner, 16)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range owners {
		owners[i] = &owner{store: s, key: fmt.Sprint("topic", i)}
		must(t, s, fmt.Sprint("other", i), 0, "to make the stream")
	}
	for _, o := range owners {
		wg.Go(func() { o.run(t, stop) })
	}
	for range 2 {
		time.Sleep(200 * time.Millisecond)
		i := c.Leader(s.partition("topic0").stream)
		if i < 0 {
			continue
		}
		c.Stop(i)
		time.Sleep(500 * time.Millisecond)
		c.Restart(t, i)
		streamtest.Eventually(t, 15*time.Second, "an append", func() bool {
			_, err := store1(s, fmt.Sprint("more", i), 0, "x")
			return err == nil || errors.Is(err, history.ErrConflict)
		})
	}
	close(stop)
	wg.Wait()
	n, unknown := 0, 0
	for _, o := range owners {
		o.check(t)
		n += len(o.acked)
		unknown += len(o.tried) - len(o.acked)
	}
	t.Logf("%d acknowledged, %d not", n, unknown)
}

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

// TestStopped: done is called once, whatever happens to the Store.
func TestStopped(t *testing.T) {
	nc, e := streamtest.Embedded(t)
	s, err := New(Config{Conn: nc, Rule: testRule(), Timeout: 5 * time.Second})
	ok(t, err)
	_, err = store1(s, "a", 0, "x")
	wantError(t, err, history.ErrUnavailable)

	stop := run(t, s)
	const n = 3000
	var mu sync.Mutex
	calls := make([]int, n) // guarded by mu
	var wg sync.WaitGroup
	wg.Add(n)
	for i := range n {
		if i == n/2 {
			go stop()
		}
		s.Append(fmt.Sprint("b", i), 0, []byte("x"), func(_ uint64, err error) {
			mu.Lock()
			defer mu.Unlock()
			if calls[i]++; calls[i] == 1 {
				wg.Done()
			}
			if err != nil && !errors.Is(err, history.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	for i, n := range calls {
		if n != 1 {
			t.Errorf("done of %d was called %d times", i, n)
		}
	}
	if n, size := s.underWay.Load(), s.size.Load(); n != 0 || size != 0 {
		t.Errorf("%d writes of %d bytes are under way after the end", n, size)
	}

	// Reads do without Run, and a closed connection is an error like any other.
	_, err = s.Last(t.Context(), []string{"a"})
	ok(t, err)
	e.Shutdown()
	nc.Close()
	_, err = s.Last(t.Context(), []string{"a"})
	wantError(t, err, history.ErrUnavailable)
	if err := s.Run(t.Context()); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("run: %v", err)
	}
}

// TestClosed: Run ends with its connection.
func TestClosed(t *testing.T) {
	nc, _ := streamtest.Embedded(t)
	s, err := New(Config{Conn: nc, Rule: testRule()})
	ok(t, err)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	streamtest.Eventually(t, 5*time.Second, "ready", func() bool { return s.Ready() == nil })
	nc.Close()
	wantError(t, <-ended, nats.ErrConnectionClosed)
	_, err = store1(s, "a", 0, "x")
	wantError(t, err, history.ErrUnavailable)
}

// TestOverflow: more than the bound fails at once.
func TestOverflow(t *testing.T) {
	t.Parallel()
	c := streamtest.Start(t, 1)
	s := on(t, c.Connect(t), func(cfg *Config) { cfg.Timeout = time.Second })
	c.Stop(0)
	const n = maxWrites + 100
	done := make(chan error, n)
	for i := range n {
		s.Append(fmt.Sprint(i), 0, nil, func(_ uint64, err error) { done <- err })
	}
	over := 0
	for range n {
		err := <-done
		wantError(t, err, history.ErrUnavailable)
		if errors.Is(err, errOverflow) {
			over++
		}
	}
	if over != 100 {
		t.Errorf("%d were too many, want 100", over)
	}
	var wg sync.WaitGroup
	over = 0
	wg.Add(maxBytes>>20 + 1)
	for i := range maxBytes>>20 + 1 {
		s.Append(fmt.Sprint(i), 0, make([]byte, 1<<20), func(_ uint64, err error) {
			if errors.Is(err, errOverflow) {
				over++ // one at most
			}
			wg.Done()
		})
	}
	wg.Wait()
	if over != 1 {
		t.Errorf("%d were too large together, want 1", over)
	}
}

// TestTooLarge: what NATS does not carry is refused for good, and the next one is not.
func TestTooLarge(t *testing.T) {
	nc, _ := streamtest.Embedded(t)
	s := on(t, nc, nil)
	_, err := store1(s, "a", 0, strings.Repeat("x", 2<<20))
	wantError(t, err, history.ErrRefused)
	must(t, s, "a", 0, "x")

	// A stream that is full.
	stream := s.partition("a").opener.Stream()
	cfg := stream.CachedInfo().Config
	cfg.MaxBytes = 1000
	_, err = s.js.UpdateStream(t.Context(), cfg)
	ok(t, err)
	_, err = store1(s, "a", 1, strings.Repeat("x", 2000))
	wantError(t, err, history.ErrRefused)
}

// TestAge: what is too old is gone, and a key whose last entry is gone begins anew.
func TestAge(t *testing.T) {
	t.Parallel()
	kinds(t, func(t *testing.T, connect func() *nats.Conn) {
		s := on(t, connect(), nil)
		seq := must(t, s, "a", 0, "old")
		p := s.partition("a")
		cfg := p.opener.Stream().CachedInfo().Config
		cfg.MaxAge, cfg.Duplicates = 500*time.Millisecond, 100*time.Millisecond
		_, err := s.js.UpdateStream(t.Context(), cfg)
		ok(t, err)
		streamtest.Eventually(t, 10*time.Second, "an end", func() bool {
			last, err := s.Last(t.Context(), []string{"a"})
			ok(t, err)
			return len(last) == 0
		})
		_, err = store1(s, "a", seq, "after what is gone")
		wantError(t, err, history.ErrConflict)
		next := must(t, s, "a", 0, "new")
		if next <= seq {
			t.Errorf("sequence %d after %d", next, seq)
		}
	})
}

// TestStreams: made once by whoever is first, with the age of the rule as it is now.
func TestStreams(t *testing.T) {
	kinds(t, func(t *testing.T, connect func() *nats.Conn) {
		core, logs := observer.New(zapcore.InfoLevel)
		var wg sync.WaitGroup
		stores := make([]*Store, 4)
		for i := range stores {
			stores[i] = on(t, connect(), func(cfg *Config) { cfg.Log = zap.New(core) })
		}
		for i, s := range stores {
			for n := range 40 {
				wg.Add(1)
				s.Append(fmt.Sprint("topic", i, n), 0, []byte("x"), func(_ uint64, err error) {
					defer wg.Done()
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if logs.Len() == 0 { // as many as there are streams, but for two that make one at once and replies that get lost
			t.Error("nothing was logged")
		}
		for i := range partitions {
			_, err := stores[0].js.Stream(t.Context(), streamName("test", i))
			ok(t, err)
		}
		age := func(s *Store) time.Duration {
			stream, err := s.js.Stream(t.Context(), s.partition("a").stream)
			ok(t, err)
			return stream.CachedInfo().Config.MaxAge
		}
		if got := age(stores[0]); got != time.Hour {
			t.Errorf("kept for %v", got)
		}
		longer := on(t, connect(), func(cfg *Config) {
			cfg.Rule = &history.Rule{Name: "test", Age: time.Minute}
			cfg.DedupeWindow = 3 * time.Hour
		})
		must(t, longer, "a", 0, "x")
		if got := age(longer); got != 3*time.Hour+afterWindow {
			t.Errorf("kept for %v, want the longer of the two", got)
		}
		// One that goes is made again.
		ok(t, longer.js.DeleteStream(t.Context(), longer.partition("a").stream))
		must(t, longer, "a", 0, "again")
		wantRead(t, longer, "a", []string{"again"})
		if _, err := longer.js.Stream(t.Context(), "rt_history_test_8"); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Error(err)
		}
	})
}

// TestContext: a read that its caller ends is not JetStream's fault.
func TestContext(t *testing.T) {
	nc, _ := streamtest.Embedded(t)
	s := on(t, nc, nil)
	must(t, s, "a", 0, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"last": second(s.Last(ctx, []string{"a"})), "many": second(s.Last(ctx, []string{"a", "b"})),
		"read": second(s.Read(ctx, "a", 0, 1, 1)), "trim": s.Trim(ctx, "a", 5),
	} {
		if !errors.Is(err, context.Canceled) || errors.Is(err, history.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ok(t, s.Ready())
}

func second[T any](_ T, err error) error { return err }

func TestNew(t *testing.T) {
	nc, _ := streamtest.Embedded(t)
	for name, cfg := range map[string]Config{
		"no connection": {Rule: testRule()},
		"no rule":       {Conn: nc},
		"no name":       {Conn: nc, Rule: &history.Rule{}},
		"a bad name":    {Conn: nc, Rule: &history.Rule{Name: "a.b"}},
		"replicas":      {Conn: nc, Rule: testRule(), Replicas: 6},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
