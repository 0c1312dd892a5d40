package presence

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestCrewMakesEveryCallAndFewAtATime(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 1)), Config{})
	lane := w.registries[w.addNode(1)][0].lane
	c := newCrew(newMetrics(prometheus.NewRegistry()))
	var now, most atomic.Int32
	gate := make(chan struct{})
	const calls = 8 * crewSize
	done := 0
	for range calls {
		c.work(lane, func(context.Context) error {
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
	c.wg.Wait()
	w.net.View()
	w.net.Deliver()
	w.net.Pass(time.Second)
	if done != calls || most.Load() > crewSize || c.hands != 0 {
		t.Errorf("%d of %d calls, up to %d at a time; %d hands left", done, calls, most.Load(), c.hands)
	}
	c.stop()
}
