package circuit

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

var errOurs = errors.New("not the dependency's fault")

func newTestBreaker() (*Breaker, *observer.ObservedLogs) {
	core, logs := observer.New(zap.InfoLevel)
	return NewBreaker(Config{
		Dependency: "test", Open: time.Second, Log: zap.New(core), Lost: "lost", Back: "back",
		Metrics: NewMetrics(metric.For(nil, "test"), "test"),
		Trips:   func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= 2 },
		Eager:   true,
		Away:    func(err error) bool { return !errors.Is(err, errOurs) },
	}), logs
}

func fails() error { return io.EOF }
func works() error { return nil }

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, logs := newTestBreaker()
		if b.Health() != nil || b.Cause() == nil {
			t.Errorf("new: %v, cause %v", b.Health(), b.Cause())
		}
		// Until it has answered once, one failure will do.
		if err := b.Do(t.Context(), fails); !errors.Is(err, io.EOF) || Refused(err) || !errors.Is(b.Health(), io.EOF) {
			t.Errorf("first call: %v, health %v", err, b.Health())
		}
		if err := b.Do(t.Context(), works); !Refused(err) {
			t.Errorf("while open: %v", err)
		}
		time.Sleep(time.Second + 1)
		if err := b.Do(t.Context(), works); err != nil || b.Health() != nil {
			t.Errorf("after a second: %v, health %v", err, b.Health())
		}
		for range 5 { // neither is the dependency's fault
			_ = b.Do(t.Context(), func() error { return errOurs })
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := b.Do(ctx, func() error { return io.EOF }); !Abandoned(err) || !errors.Is(err, context.Canceled) {
				t.Errorf("given up: %v", err)
			}
		}
		if b.Health() != nil {
			t.Errorf("open for what it has no fault in: %v", b.Health())
		}
		_ = b.Do(t.Context(), fails)
		if b.Health() != nil {
			t.Error("open after one failure")
		}
		_ = b.Do(t.Context(), fails)
		if b.Health() == nil {
			t.Error("closed after two failures")
		}
		var lines []string
		for _, l := range logs.All() {
			lines = append(lines, l.Message)
		}
		if len(lines) != 3 || lines[0] != "lost" || lines[1] != "back" || lines[2] != "lost" {
			t.Errorf("logged %q", lines)
		}
	})
}

func TestRetry(t *testing.T) {
	always, never := func(error) bool { return true }, func(error) bool { return false }
	tests := []struct {
		name  string
		fails int // calls that fail before one does not
		again func(error) bool
		calls int
	}{
		{"works", 0, always, 1},
		{"fails once", 1, always, 2},
		{"fails for good", 9, always, 3},
		{"is not to be repeated", 9, never, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, start := 0, time.Now()
				err := Retry(t.Context(), 3, time.Second, tt.again, func() error {
					if calls++; calls <= tt.fails {
						return io.EOF
					}
					return nil
				})
				if calls != tt.calls || (err == nil) != (tt.fails < calls) || time.Since(start) > 3*time.Second {
					t.Errorf("%d calls in %v, %v, want %d", calls, time.Since(start), err, tt.calls)
				}
			})
		})
	}
}
