package limit

import (
	"math"
	"time"
)

const (
	// meterTime is over what time a Meter averages: the past weighs half after 0.35 s.
	meterTime = float64(500 * time.Millisecond)
	// meterGrain is the least time between two looks that are two measurements.
	meterGrain = int64(100 * time.Millisecond)
)

// Meter tells how many there were a second of late, as an average that forgets. Not safe for concurrent use.
type Meter struct {
	n    int
	at   int64
	rate float64
}

// NewMeter returns a Meter that begins at the time now.
func NewMeter(now int64) Meter { return Meter{at: now} }

// Add counts n more.
func (m *Meter) Add(n int) { m.n += n }

// Rate is how many a second there were. To be right, it wants to be called a few times a second.
func (m *Meter) Rate(now int64) float64 {
	if d := now - m.at; d >= meterGrain {
		late := float64(m.n) * float64(time.Second) / float64(d)
		m.rate += (late - m.rate) * (1 - math.Exp(-float64(d)/meterTime))
		m.n, m.at = 0, now
	}
	return m.rate
}
