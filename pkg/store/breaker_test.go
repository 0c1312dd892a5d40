package store

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
)

func testBreaker(t *testing.T) *breaker {
	t.Helper()
	m, err := newMetrics(nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	return newBreaker(DefaultTimeout, m, zap.NewNop())
}

func ok(context.Context) error     { return nil }
func broken(context.Context) error { return io.EOF }

func hangs(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// serverError is an error reply.
type serverError string

func (e serverError) Error() string { return string(e) }
func (serverError) RedisError()     {}

func TestBreakerRepeats(t *testing.T) {
	tests := []struct {
		name  string
		tries int
		fails int // calls that fail before one does not
		err   error
		calls int
	}{
		{"a write that fails", once, 1, io.EOF, 1},
		{"a read that fails", repeat, 1, io.EOF, 2},
		{"a read that fails for good", repeat, 100, io.EOF, repeat},
		{"a read that is refused", repeat, 100, serverError("ERR no"), 1},
		{"a read that is late", repeat, 100, context.DeadlineExceeded, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				err := testBreaker(t).do(t.Context(), tt.tries, func(context.Context) error {
					if calls++; calls <= tt.fails {
						return tt.err
					}
					return nil
				})
				if calls != tt.calls || (err == nil) != (tt.calls > tt.fails) {
					t.Errorf("%d calls, %v, want %d", calls, err, tt.calls)
				}
			})
		})
	}
}

func TestBreakerOpens(t *testing.T) {
	alternate := func(n int) func(context.Context) error {
		if n%2 == 0 {
			return ok
		}
		return broken
	}
	tests := []struct {
		name  string
		call  func(n int) func(context.Context) error
		opens int // after so many calls; 0: never
	}{
		{"never answered", func(int) func(context.Context) error { return broken }, 1},
		{"in a row", func(n int) func(context.Context) error {
			if n == 0 {
				return ok
			}
			return broken
		}, 1 + tripRow},
		{"every second", alternate, tripCalls},
		{"every third", func(n int) func(context.Context) error { return alternate(n % 3) }, 0},
		{"error replies", func(n int) func(context.Context) error {
			return func(context.Context) error { return serverError("WRONGTYPE of one key") }
		}, 0},
		{"loading", func(n int) func(context.Context) error {
			return func(context.Context) error { return serverError("LOADING") }
		}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := testBreaker(t)
				for n := range 200 {
					_ = b.do(t.Context(), once, tt.call(n))
					if b.health() != nil {
						if n+1 != tt.opens {
							t.Fatalf("open after %d calls, want %d", n+1, tt.opens)
						}
						return
					}
				}
				if tt.opens != 0 {
					t.Fatal("not open")
				}
			})
		})
	}
}

// TestClusterNode is what is said where cluster=true is missing.
func TestClusterNode(t *testing.T) {
	err := testBreaker(t).do(t.Context(), once, func(context.Context) error { return serverError("MOVED 1 127.0.0.1:2") })
	if !errors.Is(err, errClusterNode) || errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestBreakerHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(t)
		_ = b.do(t.Context(), once, broken)
		if s := b.circuit.State(); s != gobreaker.StateOpen {
			t.Fatalf("is %s", s)
		}
		time.Sleep(openTime + time.Millisecond)
		done := make(chan error)
		go func() { done <- b.do(t.Context(), once, hangs) }()
		synctest.Wait()
		// One call tries, the others are refused meanwhile.
		if err := b.do(t.Context(), once, ok); !errors.Is(err, ErrUnavailable) || !errors.Is(err, gobreaker.ErrTooManyRequests) {
			t.Errorf("second call while half-open: %v", err)
		}
		if err := <-done; !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the try: %v", err)
		}
		if s := b.circuit.State(); s != gobreaker.StateOpen {
			t.Errorf("after a failed try it is %s", s)
		}
		time.Sleep(openTime + time.Millisecond)
		if err := b.do(t.Context(), once, ok); err != nil {
			t.Error(err)
		}
		if err := b.health(); err != nil {
			t.Error(err)
		}
	})
}

// TestBreakerCancelled: callers that give up say nothing about Redis.
func TestBreakerCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(t)
		_ = b.do(t.Context(), once, ok)
		for range 3 * tripRow {
			ctx, cancel := context.WithTimeout(t.Context(), DefaultTimeout/10)
			if err := b.do(ctx, repeat, hangs); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
			cancel()
		}
		if err := b.health(); err != nil {
			t.Error(err)
		}
	})
}
