package loadtest

import (
	"testing"
	"time"
)

func TestPayloadIsReadBackByteForByte(t *testing.T) {
	m := mark{3, 70_000, 123 * time.Second}
	p := m.payload(128)
	if len(p) != 128 {
		t.Errorf("%d bytes", len(p))
	}
	if got, ok := readMark(p, 128); !ok || got != m {
		t.Errorf("%+v, %v", got, ok)
	}
	for i := range p {
		b := []byte(p)
		b[i] ^= 1
		if got, ok := readMark(string(b), 128); ok && got == m {
			t.Errorf("byte %d changed unnoticed: %s", i, b)
		}
	}
	if _, ok := readMark(p+" ", 128); ok {
		t.Error("a longer payload passed")
	}
}

func TestQuantiles(t *testing.T) {
	var l latencies
	for i := range 10_000 {
		l.add(time.Duration(i) * 10 * time.Microsecond)
	}
	for _, tt := range []struct {
		q    float64
		want time.Duration
	}{{0, 0}, {0.5, 50 * time.Millisecond}, {0.99, 99 * time.Millisecond}} {
		got := l.quantile(tt.q)
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
