// Package latency counts durations.
package latency

import (
	"math/bits"
	"time"
)

// Histogram holds durations in microseconds, exact to one part in sixteen.
type Histogram struct {
	counts [64 * 16]int64
	Total  int64
	Max    time.Duration
}

// Add counts a duration.
func (l *Histogram) Add(d time.Duration) {
	l.Total++
	l.Max = max(l.Max, d)
	l.counts[bucket(uint64(max(d, 0)/time.Microsecond))]++
}

// bucket numbers values below 16 by themselves and the others by the place of
// their highest bit and the four bits behind it.
func bucket(v uint64) int {
	if v < 16 {
		return int(v)
	}
	exp := bits.Len64(v) - 5
	return exp*16 + int(v>>exp)
}

func lowest(bucket int) uint64 {
	if bucket < 32 {
		return uint64(bucket)
	}
	exp := bucket/16 - 1
	return uint64(bucket%16+16) << exp
}

// Quantile is the q-th (0 to 1) of the durations, rounded down to its bucket.
func (l *Histogram) Quantile(q float64) time.Duration {
	rank := int64(q * float64(l.Total))
	for b, n := range l.counts {
		if rank -= n; rank < 0 {
			return time.Duration(lowest(b)) * time.Microsecond
		}
	}
	return l.Max
}
