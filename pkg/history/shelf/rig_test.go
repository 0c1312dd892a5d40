package shelf

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/crew"
	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/history/shelf/shelftest"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// rig is a Shelf on a lane and a Store that do their work when the test says so, by its clock.
type rig struct {
	*testing.T
	*Shelf
	now    time.Time
	others map[string]bool // keys that another owner has
	begun  map[string]time.Time
	work   []func() // for other goroutines
	done   []func() // for the lane
	store  *shelftest.Store
	rule   *history.Rule

	delivered, acked, refused []string
	panics                    []string
	failed                    int
	poison                    string // delivering this panics
}

func newRig(t *testing.T, rule history.Rule) *rig {
	r := &rig{T: t, now: time.UnixMilli(1_763_856_000_000), rule: &rule, others: make(map[string]bool), begun: make(map[string]time.Time)}
	if rule.Age == 0 {
		rule.Age = time.Hour
	}
	rule.Name = "kept"
	r.store = shelftest.New(r.Now, func(write func()) { r.work = append(r.work, write) })
	overload := prometheus.NewCounter(prometheus.CounterOpts{Name: "overload"})
	cfg := Settings{
		Policy: history.Policy{&rule}, Stores: map[string]history.Store{"kept": r.store}, DedupeWindow: time.Minute, Memory: 64 << 10,
	}.Config(1, overload, metric.For(prometheus.NewRegistry(), "test"), zap.NewNop())
	cfg.Crew = crew.New(overload) // without a circuit breaker, which has a clock of its own
	cfg.Crew.Start = func(f func()) { r.work = append(r.work, f) }
	r.Shelf = New(r, cfg, r)
	return r
}

// Do, Now and Owns make it a Lane.
func (r *rig) Do(f func())          { r.done = append(r.done, f) }
func (r *rig) Now() time.Time       { return r.now }
func (r *rig) Owns(key string) bool { return !r.others[key] }

// Panicked does too.
func (r *rig) Panicked(p *supervise.Panic) { r.panics = append(r.panics, fmt.Sprint(p.Value)) }

// Frame, Deliver, Began, Ack, Refuse and Failed make it a Desk.
func (r *rig) Frame(key string, p *history.Publication, at history.Position) []byte {
	return fmt.Appendf(nil, "%s %d %s", key, at.Offset, p.Payload)
}

func (r *rig) Deliver(_ string, _ *history.Item, _ history.Position, frame []byte) {
	if r.poison != "" && string(frame) == r.poison {
		panic("poison")
	}
	r.delivered = append(r.delivered, string(frame))
}

func (r *rig) Began(key string) time.Time { return r.begun[key] }

func (r *rig) Failed() { r.failed++ }

func (r *rig) Ack(key string, it *history.Item, at history.Position, duplicate bool) {
	r.acked = append(r.acked, fmt.Sprintf("%s %d %s %v", key, at.Offset, it.MessageID, duplicate))
}

func (r *rig) Refuse(key string, it *history.Item, _ error) {
	r.refused = append(r.refused, key+" "+it.MessageID)
}

// settle does all work, and gives the lane the results.
func (r *rig) settle() {
	for len(r.work)+len(r.done) > 0 {
		if len(r.done) > 0 {
			f := r.done[0]
			r.done = r.done[1:]
			f()
			continue
		}
		f := r.work[0]
		r.work = r.work[1:]
		f()
	}
}

// pass lets time go by, with the ticks that come in it.
func (r *rig) pass(d time.Duration) {
	for r.settle(); d > 0; d -= 200 * time.Millisecond {
		r.now = r.now.Add(200 * time.Millisecond)
		r.Tick()
		r.settle()
	}
}

func item(id, payload string) *history.Item {
	return &history.Item{Publication: history.Publication{User: "u", MessageID: id, Given: true, Payload: []byte(payload)}}
}

// publish has publications stored, numbered, an entry each.
func (r *rig) publish(key string, from, to int) {
	r.Helper()
	for n := from; n <= to; n++ {
		r.Publish(key, r.rule, item(fmt.Sprint("m", n), fmt.Sprint(n)))
		r.settle()
	}
}

// forgetful drops all logs, as a new owner has none.
func (r *rig) forgetful() { r.Keep(func(string) bool { return false }) }

// top is where a key's history stands.
func (r *rig) top(key string) (top history.Position) {
	r.After(key, r.rule, func(p history.Position, err error) {
		if err != nil {
			r.Fatal(err)
		}
		top = p
	})
	r.settle()
	return top
}
