package supervise_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// rig is a supervisor in a synctest bubble.
type rig struct {
	*supervise.Supervisor
	reg *prometheus.Registry
	log *observer.ObservedLogs
}

func newRig() *rig {
	core, logged := observer.New(zap.DebugLevel)
	r := &rig{reg: prometheus.NewRegistry(), log: logged}
	r.Supervisor = supervise.New(zap.New(core), r.reg, "test")
	return r
}

// start runs a part until the test ends.
func (r *rig) start(t *testing.T, p supervise.Part) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx, p)
	}()
	return func() {
		cancel()
		<-done
	}
}

// metrics checks what the metrics say of the part named part.
func (r *rig) metrics(t *testing.T, up, restarts string) {
	t.Helper()
	want := `# HELP realtime_part_restarts_total Times a part of the process failed and was restarted.
# TYPE realtime_part_restarts_total counter
realtime_part_restarts_total{part="part",role="test"} ` + restarts + `
# HELP realtime_part_up Whether a part of the process runs: 0 while it waits for its restart, and after its end.
# TYPE realtime_part_up gauge
realtime_part_up{part="part",role="test"} ` + up + "\n"
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// A part that panics, fails, or returns too early is called again, each time later; Failed is called in between.
func TestRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		var calls []time.Time
		failed := 0
		stop := r.start(t, supervise.Part{
			Name: "part",
			Run: func(ctx context.Context) error {
				calls = append(calls, time.Now())
				switch len(calls) {
				case 1:
					panic("broken")
				case 2:
					return errors.New("no")
				case 3:
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			},
			Failed: func() {
				failed++
				r.metrics(t, "0", []string{"0", "1", "2"}[failed-1])
				panic("so is the cleaning up")
			},
		})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(calls) != 4 || failed != 3 {
			t.Fatalf("called %d times, failed %d", len(calls), failed)
		}
		most := supervise.FirstPause
		for i := 1; i < len(calls); i, most = i+1, most*2 {
			if wait := calls[i].Sub(calls[i-1]); wait < most/2 || wait >= most {
				t.Errorf("pause %d is %v, want %v to %v", i, wait, most/2, most)
			}
		}
		r.metrics(t, "1", "3")
		if err := r.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		stop()
		r.metrics(t, "0", "3")
		for i, want := range []string{"panic: broken", "no", "ended by itself"} {
			if got := r.log.All()[i].ContextMap()["error"]; got != want {
				t.Errorf("logged %v, want %v", got, want)
			}
		}
		if stack, _ := r.log.All()[0].ContextMap()["stack"].(string); !strings.Contains(stack, "TestRestarts") {
			t.Errorf("the stack is %q", stack)
		}
	})
}

// A part that fails again and again is given up: not ready at once, and an error for the process some seconds later.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		calls, gaveUp := 0, 0
		stop := r.start(t, supervise.Part{
			Name:   "part",
			Run:    func(context.Context) error { calls++; panic("broken") },
			GaveUp: func() { gaveUp++ },
		})
		defer stop()
		began := time.Now()
		for r.Ready() == nil {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		unready := time.Now()
		if took := unready.Sub(began); took > 10*time.Second {
			t.Errorf("given up after %v", took)
		}
		err := r.Wait(t.Context())
		if took := time.Since(unready).Round(10 * time.Millisecond); took != supervise.UnreadyTime {
			t.Errorf("ended %v after it was unready", took)
		}
		if want := "part failed 6 times within 1m0s: panic: broken"; err == nil || err.Error() != want {
			t.Errorf("ended with %v, want %s", err, want)
		}
		if calls != supervise.MostRestarts+1 || gaveUp != 1 {
			t.Errorf("called %d times, given up %d times", calls, gaveUp)
		}
		r.metrics(t, "0", "5")
	})
}

// Failures further apart than Window never add up, and the pause begins anew.
func TestForgives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		var ended time.Time
		calls := 0
		stop := r.start(t, supervise.Part{Name: "part", Run: func(ctx context.Context) error {
			if wait := time.Since(ended); calls > 0 && wait >= supervise.FirstPause {
				t.Errorf("call %d came after %v", calls, wait)
			}
			calls++
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(supervise.Window):
			}
			ended = time.Now()
			return errors.New("no")
		}})
		time.Sleep(20*supervise.Window + 10*time.Second)
		synctest.Wait()
		if err := r.Ready(); err != nil || calls < 20 {
			t.Errorf("ready %v after %d calls", err, calls)
		}
		stop()
	})
}

// What is told to end and ends is no failure; what is told to end while it waits for its restart ends at once.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		stop := r.start(t, supervise.Part{Name: "part", Run: func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("not in good order")
		}})
		synctest.Wait()
		stop()
		if n := r.log.Len(); n != 0 {
			t.Errorf("logged %d lines", n)
		}
		calls := 0
		stop = r.start(t, supervise.Part{Name: "part", Run: func(context.Context) error { calls++; return nil }})
		synctest.Wait()
		began := time.Now()
		stop()
		if calls != 1 || time.Since(began) != 0 {
			t.Errorf("called %d times, ended after %v", calls, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Wait(ctx); err != nil {
			t.Errorf("nothing was given up, and Wait returns %v", err)
		}
	})
}
