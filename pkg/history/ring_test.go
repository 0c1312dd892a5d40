package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRing compares a log's ring with all that was ever in it.
func TestRing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		l := NewLog("key", &Rule{Size: 1 << 20}, nil, 0, 0)
		var all []Recent // by offset-1
		first := 1       // the ring begins there
		size := []int{1, 100, 5000}[rng.IntN(3)]
		for range 4000 {
			switch rng.IntN(500) {
			case 0:
				l.Forget()
				first = len(all) + 1
			case 1:
				from := 1 + rng.IntN(len(all)+1)
				fits := from < first
				if got := l.Restore(slices.Clone(all[from-1:])); got != fits {
					t.Fatalf("restore from %d, where it begins with %d: %v", from, first, got)
				}
				first = min(first, from)
			case 2: // with a hole
				if first > 2 && l.Restore(slices.Clone(all[:first-2])) {
					t.Fatal("a hole was restored")
				}
			}
			l.top++
			r := Recent{Offset: l.top, Frame: make([]byte, rng.IntN(size))}
			all = append(all, r)
			if got := l.push(r); got.Offset != l.top {
				t.Fatal(got)
			}
			weight := 0
			for i := len(all); i >= first; i-- {
				if weight += len(all[i-1].Frame); weight > RingBytes && i < len(all) || len(all)-i >= RingMost {
					first = i + 1
				}
			}
			checkRing(t, rng, l, all, first)
		}
	}
}

func checkRing(t *testing.T, rng *rand.Rand, l *Log, all []Recent, first int) {
	t.Helper()
	after, most, bytes := rng.IntN(len(all)+3), 1+rng.IntN(100), 1+rng.IntN(10_000)
	list, ok := l.Since(uint64(after), most, bytes)
	switch {
	case after >= len(all):
		if !ok || len(list) > 0 {
			t.Fatalf("behind the last: %v, %v", list, ok)
		}
		return
	case ok != (after+1 >= first):
		t.Fatalf("since %d of %d to %d: %v", after, first, len(all), ok)
	case !ok:
		return
	}
	var want []Recent
	for size := 0; after+len(want) < len(all) && len(want) < most && size < bytes; {
		r := all[after+len(want)]
		want = append(want, r)
		size += len(r.Frame)
	}
	if !slices.EqualFunc(list, want, func(a, b Recent) bool { return a.Offset == b.Offset && len(a.Frame) == len(b.Frame) }) {
		t.Fatalf("since %d, %d, %d bytes: %d, want %d", after, most, bytes, len(list), len(want))
	}
	weight := 0
	for _, r := range all[first-1:] {
		weight += len(r.Frame)
	}
	if l.weight != weight || l.Oldest().Offset != uint64(first) {
		t.Fatalf("weighs %d, want %d; begins with %d, want %d", l.weight, weight, l.Oldest().Offset, first)
	}
}

func TestRingOfNothing(t *testing.T) {
	l := NewLog("key", &Rule{Size: 10}, nil, 0, 0)
	if list, ok := l.Since(0, 1, 1); !ok || list != nil || l.Oldest() != nil || l.Remembered() != 0 {
		t.Error(list, ok, l.Oldest(), l.Remembered())
	}
	if l.Restore(nil) {
		t.Error("nothing was restored")
	}
	l.top = 5
	if _, ok := l.Since(4, 1, 1); ok {
		t.Error("it remembers what it never saw")
	}
	if !l.Restore([]Recent{{Offset: 4}, {Offset: 5}, {Offset: 6}}) || fmt.Sprint(l.Oldest().Offset, len(l.recent)) != "4 2" {
		t.Error(l.recent)
	}
}
