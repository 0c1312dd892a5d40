package crew

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// lane runs results as they come, one after another.
type lane chan func()

func (l lane) Do(f func()) { l <- f }

func TestCrewMakesEveryCallAndFewAtATime(t *testing.T) {
	const calls = 8 * Size
	results := make(lane, calls)
	c := New(prometheus.NewCounter(prometheus.CounterOpts{Name: "overload"}))
	var now, most atomic.Int32
	gate := make(chan struct{})
	done := 0
	for range calls {
		c.Work(results, func(context.Context) error {
			n := now.Add(1)
			for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
			}
			<-gate
			now.Add(-1)
			return nil
		}, func(err error) {
			if err != nil {
				t.Error(err)
			}
			done++
		})
	}
	close(gate)
	for range calls {
		(<-results)()
	}
	c.Stop()
	if done != calls || most.Load() > Size || c.hands != 0 {
		t.Errorf("%d of %d calls, up to %d at a time; %d hands left", done, calls, most.Load(), c.hands)
	}
}

// A panic in a call is that call's error, and told; those behind it are made.
func TestPanicFailsOneCall(t *testing.T) {
	results := make(lane, 2)
	c := New(prometheus.NewCounter(prometheus.CounterOpts{Name: "overload"}))
	told := make(chan *supervise.Panic, 1)
	c.Panicked = func(p *supervise.Panic) { told <- p }
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	c.Work(results, func(context.Context) error { panic("broken") }, note)
	(<-results)()
	c.Work(results, func(context.Context) error { return nil }, note)
	(<-results)()
	c.Stop()
	p := new(supervise.Panic)
	if !errors.As(errs[0], &p) || p.Value != "broken" || <-told != p || errs[1] != nil {
		t.Errorf("errors %v", errs)
	}
}
