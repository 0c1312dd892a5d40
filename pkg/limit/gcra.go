package limit

import (
	"math"
	"time"
)

// Rate is a budget: so many a second in the long run, and a burst at once. It is the
// generic cell rate algorithm (ITU-T I.371): whoever is limited keeps one word, the
// theoretical arrival time, and no timer. The zero Rate allows everything.
type Rate struct {
	interval  int64 // nanoseconds that one takes
	tolerance int64 // how far ahead of time the word may run
}

// slowest is the longest interval: one a day.
const slowest = 24 * time.Hour

// NewRate returns a Rate of perSecond (more than 0) with the given burst; one below 1 is 1, as nothing
// would ever pass.
func NewRate(perSecond, burst float64) Rate {
	// Rounded up: never more than perSecond.
	interval := math.Min(math.Ceil(float64(time.Second)/perSecond), float64(slowest))
	return Rate{interval: int64(interval), tolerance: int64(interval * (math.Max(burst, 1) - 1))}
}

// On reports whether there is a limit at all.
func (r Rate) On() bool { return r.interval > 0 }

// Take asks for one at the time now. tat is the word of whoever is limited, zero at first; it changes only
// when one is allowed. When it is not, Take tells how long to wait until it would be.
func (r Rate) Take(tat *int64, now int64) (wait time.Duration, ok bool) {
	at := max(*tat, now)
	if ahead := at - now; ahead > r.tolerance {
		return time.Duration(ahead - r.tolerance), false
	}
	*tat = at + r.interval
	return 0, true
}

// Give gives back n that were taken and not used.
func (r Rate) Give(tat *int64, n int) { *tat -= r.interval * int64(n) }
