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
		streamtest.Eventually(t, 20*time.Second, "a stream that is made again", func() bool {
			_, err := store1(longer, "a", 0, "again")
			return err == nil || errors.Is(err, history.ErrConflict) // one whose outcome was not known is there
		})
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
