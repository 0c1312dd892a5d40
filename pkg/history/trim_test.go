package history

import (
	"math/rand/v2"
	"testing"
	"time"
)

type trimEntry struct {
	seq, first, last uint64
	at               time.Time
}

// TestTrim removes what a log says can be removed, and looks at what is left.
func TestTrim(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 30 {
		size := []int{1, 10, 500, 5000}[rng.IntN(4)]
		l := NewLog("key", &Rule{Size: size, Age: time.Hour}, nil, modelWindow, 0)
		var list []trimEntry
		now := modelNow
		for range 3000 {
			now = now.Add(time.Duration(rng.IntN(1000)) * time.Millisecond)
			e := trimEntry{seq: l.seq + 1 + uint64(rng.IntN(3)), first: l.top + 1, at: now}
			l.seq = e.seq
			for range 1 + rng.IntN(20) {
				l.top++
				l.note(l.seq, l.top, now, size)
			}
			e.last = l.top
			list = append(list, e)
			lo, hi := l.Near(list[0].first)
			if lo > list[0].seq || hi <= list[0].seq {
				t.Fatalf("entry %d is said to be from %d to %d", list[0].seq, lo, hi)
			}
			offset := 1 + rng.Uint64N(l.top)
			lo, hi = l.Near(offset)
			for _, e := range list {
				if e.first <= offset && offset <= e.last && (lo > e.seq || hi <= e.seq) {
					t.Fatalf("%d is in entry %d, not from %d to %d", offset, e.seq, lo, hi)
				}
			}
			before := l.Trim(now)
			for len(list) > 0 && list[0].seq < before {
				e := list[0]
				if e.last+uint64(size) > l.top || now.Sub(e.at) <= modelWindow {
					t.Fatalf("%d to %d of %d are removed after %v", e.first, e.last, l.top, now.Sub(e.at))
				}
				list = list[1:]
			}
			slack := uint64(max(64, size/16) + 40)
			if e := list[0]; e.last+uint64(size)+slack < l.top && now.Sub(e.at) > modelWindow+time.Minute {
				t.Fatalf("%d to %d of %d are still there after %v", e.first, e.last, l.top, now.Sub(e.at))
			}
		}
	}
}
