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
