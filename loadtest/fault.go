package loadtest

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Fault is something that is done to the system during a run.
type Fault struct {
	Name string
	// At is the earliest time since publishing began. A fault also waits until the
	// one before is done and Apart has passed since.
	At, Apart time.Duration
	Do        func(context.Context) error
	// The system is unsettled from Before ahead of Do (250 ms by default) until
	// Settle after its return.
	Before, Settle time.Duration
	// Then, if any, is called when the system should have settled: to see that it
	// works again.
	Then func(context.Context) error

	// Calm says that nobody dies who may have acked something: in the window
	// messages may be refused or go unanswered, but what is acked arrives.
	Calm bool
	// Cuts says that people may lose their connections.
	Cuts bool
}

// ackLead is by how much an Ack may be ahead of the deliveries of its message.
const ackLead = 250 * time.Millisecond

func sortFaults(faults []Fault) []Fault {
	faults = slices.Clone(faults)
	for i := range faults {
		if faults[i].Before == 0 {
			faults[i].Before = ackLead
		}
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return int(a.At - b.At) })
	return faults
}

// faults does one fault after the other, and returns when the last is done and
// the load has lasted for its duration.
func (r *run) faults(ctx context.Context, start time.Duration) error {
	var done time.Duration // when the one before was
	for _, f := range r.load.Faults {
		if !sleep(ctx, max(start+f.At, done+f.Apart)-r.rec.now()) {
			return ctx.Err()
		}
		from := r.rec.now() - f.Before
		err := f.Do(ctx)
		done = r.rec.now() + f.Settle
		r.rec.unsettled(f, from, done)
		if err != nil {
			return fmt.Errorf("fault %q: %w", f.Name, err)
		}
		if f.Then == nil {
			continue
		}
		if !sleep(ctx, f.Settle) {
			return ctx.Err()
		}
		if err := f.Then(ctx); err != nil {
			return fmt.Errorf("after fault %q: %w", f.Name, err)
		}
		done = r.rec.now()
	}
	sleep(ctx, start+r.load.Duration-r.rec.now())
	return ctx.Err()
}
