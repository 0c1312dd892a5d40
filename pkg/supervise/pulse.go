package supervise

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is how often Watch looks at the pulses.
	lookEvery = time.Second
	// stuckLooks is how many looks in a row have to find that a part has not turned before it is stuck. Looks are counted, not time: in a
	// process that is suspended, or gets no CPU, there are none.
	stuckLooks = 10
	// slowTurn is a turn so long that, with slowLooks looks in a row that found one, a part is behind: it has more to do than it can.
	slowTurn  = 500 * time.Millisecond
	slowLooks = 3
	// quickTurn is the longest turn with which, found in quickLooks looks in a row, it is not behind any more.
	quickTurn  = 250 * time.Millisecond
	quickLooks = 5
)

// Pulse shows that a part still turns, and how long its turns take. The part calls Turned after each of them, four times a second or more
// often whatever it has to do.
type Pulse struct {
	turns   atomic.Uint64
	slowest atomic.Int64 // since the last look, in nanoseconds
	behind  atomic.Bool
	stuck   atomic.Bool

	// Guarded by the Supervisor's mu.
	seen  uint64 // turns at the last look
	still int    // looks since, in a row, that found no more
	slow  int    // looks in a row that found a slow turn
	quick int    // looks in a row that found none but quick ones
}

// Turned notes that a turn is over, and how long it took.
func (p *Pulse) Turned(took time.Duration) {
	p.turns.Add(1)
	if int64(took) > p.slowest.Load() {
		p.slowest.Store(int64(took)) // a look in between may miss it, or see it twice
	}
}

// Behind reports whether the part's turns take so long that what it serves waits: for 3 s each second had one of half a second or more, and no 5 s
// since then without one of a quarter.
func (p *Pulse) Behind() bool { return p.behind.Load() }

// Stuck reports whether the part has not turned in ten looks, one a second.
func (p *Pulse) Stuck() bool { return p.stuck.Load() }

// look compares with the last look.
func (p *Pulse) look() {
	turns, slowest := p.turns.Load(), time.Duration(p.slowest.Swap(0))
	if turns == p.seen {
		p.still++
		slowest = max(slowest, lookEvery)
	} else {
		p.still = 0
	}
	p.seen = turns
	p.stuck.Store(p.still >= stuckLooks)
	if p.quick++; slowest > quickTurn {
		p.quick = 0
	}
	if p.slow++; slowest < slowTurn {
		p.slow = 0
	}
	if p.slow >= slowLooks {
		p.behind.Store(true)
	} else if p.quick >= quickLooks {
		p.behind.Store(false)
	}
}

// Watch looks at the pulses of the parts that run, until ctx is done.
func (s *Supervisor) Watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.look()
		}
	}
}

func (s *Supervisor) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.pulses {
		p.look()
	}
}

// Live reports which parts are stuck, nil when none is. That something outside the process is away makes none stuck.
func (s *Supervisor) Live() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stuck []string
	for p, name := range s.pulses {
		if p.Stuck() {
			stuck = append(stuck, name)
		}
	}
	if len(stuck) == 0 {
		return nil
	}
	slices.Sort(stuck)
	return errors.New("stuck: " + strings.Join(stuck, ", "))
}

// pulse has a part's pulse watched until the function that it returns is called.
func (s *Supervisor) pulse(p Part) (end func()) {
	if p.Pulse == nil {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Pulse.still = 0
	p.Pulse.stuck.Store(false)
	s.pulses[p.Pulse] = p.Name
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.pulses, p.Pulse)
	}
}
