package hot

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// TestTopFindsTheHotAmongMany: two keys stand out of 100,000 others that come once each.
func TestTopFindsTheHotAmongMany(t *testing.T) {
	var c Counter
	s := c.Sampler()
	for i := range 100_000 {
		s.Note("once." + strconv.Itoa(i))
		if i%5 == 0 {
			s.Note("hot")
		}
		if i%10 == 0 {
			s.Note("warm")
		}
	}
	top := c.Top(2)
	if len(top) != 2 || top[0].Key != "hot" || top[1].Key != "warm" {
		t.Fatalf("top is %v", top)
	}
	// 20,000 and 10,000, all within one window unless the test is very slow.
	for i, want := range []float64{2000, 1000} {
		if got := top[i].PerSecond; got < want*.4 || got > want*1.3 {
			t.Errorf("%s: %.0f a second, want about %.0f", top[i].Key, got, want)
		}
	}
}

// TestKeysThatTakeTurns are counted alike, whatever their number.
func TestKeysThatTakeTurns(t *testing.T) {
	for _, keys := range []int{2, every, 2*every - 1} {
		var c Counter
		s := c.Sampler()
		for i := range 100_000 {
			s.Note(strconv.Itoa(i % keys))
		}
		top := c.Top(keys)
		if len(top) != keys || top[0].PerSecond > 2*top[keys-1].PerSecond {
			t.Errorf("%d keys: %v", keys, top)
		}
	}
}

func TestWhatWasHotCoolsDown(t *testing.T) {
	var c Counter
	at := time.Unix(1000, 0)
	for range 1000 {
		c.note("a", at)
	}
	rate := func(later time.Duration) float64 {
		if top := c.top(1, at.Add(later)); len(top) == 1 {
			return top[0].PerSecond
		}
		return 0
	}
	const whole = 1000 * every / 10
	for _, tt := range []struct {
		later time.Duration
		want  float64
	}{{0, whole}, {window, whole}, {window * 3 / 2, whole / 2}, {2 * window, 0}} {
		if got := rate(tt.later); got != tt.want {
			t.Errorf("%v later: %v a second, want %v", tt.later, got, tt.want)
		}
	}
	c.note("b", at.Add(10*window))
	if top := c.top(9, at.Add(10*window)); len(top) != 1 || top[0].Key != "b" {
		t.Errorf("much later: %v", top)
	}
}

func BenchmarkNote(b *testing.B) {
	var c Counter
	s := c.Sampler()
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = "topic.with.a.name." + strconv.Itoa(rand.IntN(1000))
	}
	b.ReportAllocs()
	for i := range b.N {
		s.Note(keys[i%len(keys)])
	}
}
