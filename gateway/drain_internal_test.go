package gateway

import (
	"testing"
	"time"
)

// TestGoodbyeCount: all are told by the end, at an even pace, however late a batch is.
func TestGoodbyeCount(t *testing.T) {
	for _, tt := range []struct {
		open        int
		since, left time.Duration
		want        int
	}{
		{10, 100 * time.Millisecond, 18 * time.Second, 10}, // few: 100 a second
		{1000, 100 * time.Millisecond, 18 * time.Second, 10},
		{18000, 100 * time.Millisecond, 18 * time.Second, 100},
		{18000, time.Second, 18 * time.Second, 1000}, // a batch came late
		{500, 100 * time.Millisecond, 10 * time.Millisecond, 500},
	} {
		if got := goodbyeCount(tt.open, tt.since, tt.left); got != tt.want {
			t.Errorf("%d open, %v since the last, %v left: %d, want %d", tt.open, tt.since, tt.left, got, tt.want)
		}
	}
	for _, clients := range []int{1, 999, 50_000} {
		open, steps, most := clients, 0, 0
		for left := 18 * time.Second; open > 0 && left > 0; left -= goodbyeEvery {
			n := goodbyeCount(open, goodbyeEvery, left)
			open, steps, most = open-n, steps+1, max(most, n)
		}
		if open > 0 || most > max(clients/180+1, 10) {
			t.Errorf("of %d clients %d are left after %d steps of %d at most", clients, open, steps, most)
		}
	}
}
