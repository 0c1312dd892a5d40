package stream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

func TestMain(m *testing.M) { streamtest.VerifyTestMain(m) }

// testRule is the rule of the tests.
func testRule() *history.Rule { return &history.Rule{Name: "test", Size: 1000, Age: time.Hour} }

// on makes a Store over a connection and runs it until the test ends.
func on(tb testing.TB, nc *nats.Conn, change func(*Config)) *Store {
	tb.Helper()
	cfg := Config{Conn: nc, Rule: testRule(), DedupeWindow: time.Minute, Timeout: 10 * time.Second}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	ok(tb, err)
	run(tb, s)
	return s
}

// run runs a Store until the test ends, or the returned function is called.
func run(tb testing.TB, s *Store) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	streamtest.Eventually(tb, 5*time.Second, "a running store", func() bool {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.running
	})
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			tb.Error(err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

// kinds runs a test against one server and against three.
func kinds[TB interface {
	testing.TB
	Run(string, func(TB)) bool
}](tb TB, test func(TB, func() *nats.Conn)) {
	tb.Run("single", func(tb TB) {
		nc, _ := streamtest.Embedded(tb)
		test(tb, func() *nats.Conn { return nc })
	})
	tb.Run("cluster", func(tb TB) {
		c := streamtest.Start(tb, 3)
		test(tb, func() *nats.Conn { return c.Connect(tb) })
	})
}

type result struct {
	seq uint64
	err error
}

// store1 appends one entry and waits.
func store1(s *Store, key string, after uint64, data string) (uint64, error) {
	done := make(chan result, 2)
	s.Append(key, after, []byte(data), func(seq uint64, err error) { done <- result{seq, err} })
	r := <-done
	return r.seq, r.err
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func wantError(tb testing.TB, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Fatalf("error %v, want %v", err, want)
	}
}

// must appends until it works.
func must(tb testing.TB, s *Store, key string, after uint64, data string) uint64 {
	tb.Helper()
	seq, err := store1(s, key, after, data)
	ok(tb, err)
	return seq
}

func datas(entries []history.Stored) []string {
	var all []string
	for _, e := range entries {
		all = append(all, string(e.Data))
	}
	return all
}

// wantRead waits until all that a key has is this.
func wantRead(tb testing.TB, s *Store, key string, want []string) []history.Stored {
	tb.Helper()
	var got []history.Stored
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var err error
		got, err = s.Read(tb.Context(), key, 0, 1<<20, 1<<30)
		if err == nil && slices.Equal(datas(got), want) {
			return got
		}
		if time.Now().After(end) {
			tb.Fatalf("key %q: read %q (%v), want %q", key, datas(got), err, want)
		}
	}
}
