// Package limit decides whether a rate allows one more.
package limit

import "time"

// Rate is a budget: so many a second in the long run, and Burst at once. It is the
// generic cell rate algorithm (ITU-T I.371): whoever is limited keeps one word, the
// theoretical arrival time, and no timer.
type Rate struct {
	interval  int64 // nanoseconds that one takes
	tolerance int64 // how far ahead of time the word may run
}

// NewRate returns a Rate of perSecond (more than 0) with the given burst (at least 1).
func NewRate(perSecond float64, burst int) Rate {
	interval := int64(float64(time.Second) / perSecond)
	return Rate{interval: interval, tolerance: interval * int64(burst-1)}
}

// Take asks for one at the time now (nanoseconds of any steady clock). tat is the
// word of whoever is limited, zero at first; it changes only when one is allowed. When it
// is not, Take tells how long to wait until it would be.
func (r Rate) Take(tat *int64, now int64) (wait time.Duration, ok bool) {
	at := max(*tat, now)
	if ahead := at - now; ahead > r.tolerance {
		return time.Duration(ahead - r.tolerance), false
	}
	*tat = at + r.interval
	return 0, true
}
