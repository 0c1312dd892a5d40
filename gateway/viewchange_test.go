package gateway_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

// stopWithin is how long a router may take to hand over and end.
const stopWithin = time.Second

// load is what the tests of view changes put on the cluster: publishers and subscribers, exact
// and by patterns, on every gateway, on more topics than there are lanes.
func (h *harness) load(d time.Duration) loadtest.Load {
	l := loadtest.Load{
		Token:  func(user string) (string, error) { return h.token(user), nil },
		Topics: 50, Publishers: 2, Rate: 80, Exact: 2, Wild: 1, Joiners: 6,
		Duration: d,
	}
	for _, g := range h.gateway {
		l.Gateways = append(l.Gateways, "ws://"+g.addr+"/ws")
	}
	return l
}

// under runs the load, and do meanwhile, which is told when the publishing ends.
func (h *harness) under(l loadtest.Load, do func(over <-chan struct{})) *loadtest.Report {
	h.t.Helper()
	over := make(chan struct{})
	var report *loadtest.Report
	var err error
	go func() {
		defer close(over)
		report, err = loadtest.Run(h.t.Context(), l)
	}()
	do(over)
	<-over
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Logf("\n%s", report)
	for _, p := range report.Problems() {
		h.t.Error(p)
	}
	return report
}

// While routers come and leave in good order, nothing is lost, doubled, reordered or refused,
// nobody waits for a timeout, and those who leave are soon gone.
func TestRoutersComeAndLeave(t *testing.T) {
	duration := 15 * time.Second
	if testing.Short() {
		duration = 5 * time.Second
	}
	h := start(t, 3, 3, nil)
	changes := 0
	r := h.under(h.load(duration), func(over <-chan struct{}) {
		alive := append([]*routerNode(nil), h.router...)
		end := time.After(duration)
		for {
			select {
			case <-over:
				return
			case <-end:
				return
			case <-time.After(time.Duration(50+rand.IntN(300)) * time.Millisecond):
			}
			changes++
			if len(alive) < 2 || len(alive) < 5 && rand.IntN(2) == 0 {
				alive = append(alive, h.addRouter())
				continue
			}
			i := rand.IntN(len(alive))
			began := time.Now()
			alive[i].stop()
			if took := time.Since(began); took > stopWithin {
				t.Errorf("a router took %v to leave", took)
			}
			alive = append(alive[:i], alive[i+1:]...)
		}
	})
	if r.Verdict.Refused > 0 {
		t.Errorf("%d messages were refused", r.Verdict.Refused)
	}
	late, seconds, holds := 0.0, 0.0, uint64(0)
	for _, node := range h.router {
		late += node.value(t, metric.OwnerHoldTimeouts)
		sum, n := node.read(t, metric.OwnerHoldSeconds)
		seconds, holds = seconds+sum, holds+n
	}
	t.Logf("%d changes, %d holds of %.1f ms on average", changes, holds, 1000*seconds/float64(holds))
	if late > 0 {
		t.Errorf("%v holds ended by time", late)
	}
}

// When routers die, their topics pause for seconds and messages are refused, but order holds
// and nothing is doubled; and once the views have settled, nothing is lost.
func TestRoutersDie(t *testing.T) {
	const settle = 4 * time.Second
	h := start(t, 3, 3, nil)
	joins := make(chan struct{}, 3)
	fault := func(name string, at time.Duration, settle time.Duration, do func()) loadtest.Fault {
		return loadtest.Fault{
			Name: name, At: at, Before: time.Millisecond, Settle: settle,
			Do: func(context.Context) error { do(); return nil },
		}
	}
	join := func() { joins <- struct{}{} }
	load := h.load(19 * time.Second)
	load.Faults = []loadtest.Fault{
		fault("one dies", 2*time.Second, settle, h.router[0].kill),
		fault("one joins", 7*time.Second, 0, join),
		fault("one dies as another joins", 8*time.Second, settle, func() { join(); h.router[1].kill() }),
		fault("two die at once", 13*time.Second, settle, func() { h.router[2].kill(); h.router[3].kill() }),
	}
	r := h.under(load, func(over <-chan struct{}) {
		for {
			select {
			case <-joins:
				h.addRouter()
			case <-over:
				return
			}
		}
	})
	for _, w := range r.Verdict.Windows {
		if pause := max(w.Acks.Length(), w.Deliveries.Length()); pause > settle {
			t.Errorf("%s: a topic paused for %v", w.Name, pause)
		}
	}
}

// value is the sum of a router's counters of that name; of histograms, what they observed.
func (r *routerNode) value(t *testing.T, m metric.Metric) float64 {
	t.Helper()
	sum, _ := r.read(t, m)
	return sum
}

// read also tells how often histograms of that name observed something.
func (r *routerNode) read(t *testing.T, m metric.Metric) (sum float64, count uint64) {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != m.Name {
			continue
		}
		for _, s := range f.GetMetric() {
			sum += s.GetCounter().GetValue() + s.GetGauge().GetValue() + s.GetHistogram().GetSampleSum()
			count += s.GetHistogram().GetSampleCount()
		}
	}
	return sum, count
}
