package latency

import (
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	var l Histogram
	for i := range 10_000 {
		l.Add(time.Duration(i) * 10 * time.Microsecond)
	}
	for _, tt := range []struct {
		q    float64
		want time.Duration
	}{{0, 0}, {0.5, 50 * time.Millisecond}, {0.99, 99 * time.Millisecond}} {
		got := l.Quantile(tt.q)
		if got > tt.want || got < tt.want*15/16 {
			t.Errorf("quantile %g is %v, want %v", tt.q, got, tt.want)
		}
	}
	for v := uint64(0); v < 1<<20; v++ {
		if low := lowest(bucket(v)); low > v || low < v-v/16 {
			t.Fatalf("%d falls into the bucket from %d", v, low)
		}
	}
}
