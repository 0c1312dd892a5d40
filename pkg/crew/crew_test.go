package crew

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
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
