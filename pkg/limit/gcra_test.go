package limit

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTakeAllowsBurstThenRate(t *testing.T) {
	r := NewRate(10, 3)
	var tat int64
	now := int64(5 * time.Second)
	for i := range 3 {
		if _, ok := r.Take(&tat, now); !ok {
			t.Fatalf("%d of a burst of 3 refused", i+1)
		}
	}
	wait, ok := r.Take(&tat, now)
	if ok || wait != 100*time.Millisecond {
		t.Fatalf("after the burst: wait %v, ok %v; want 100ms, false", wait, ok)
	}
	if _, ok := r.Take(&tat, now+int64(wait)-1); ok {
		t.Fatal("allowed before the wait was over")
	}
	if _, ok := r.Take(&tat, now+int64(wait)); !ok {
		t.Fatal("waiting as long as told did not help")
	}
}

// However the attempts fall, no window sees more than rate × t + burst.
func TestNeverOverBudget(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		perSecond, burst := float64(1+rng.IntN(500)), 1+rng.IntN(50)
		r := NewRate(perSecond, float64(burst))
		var tat, now int64
		var taken []int64
		for range 2000 {
			now += rng.Int64N(int64(20 * time.Millisecond))
			if _, ok := r.Take(&tat, now); ok {
				taken = append(taken, now)
			}
		}
		for i := range taken {
			for j := i; j < len(taken); j += 7 {
				window := float64(taken[j]-taken[i]) / float64(time.Second)
				if n := float64(j - i + 1); n > perSecond*window+float64(burst)+1e-6 {
					t.Fatalf("rate %v burst %d: %v allowed within %vs", perSecond, burst, n, window)
				}
			}
		}
	}
}
