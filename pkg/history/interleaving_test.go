package history

import (
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/xxh3"
)

// explorer goes through all that can happen in a world, depth first. Two ways to the same state are one from there on.
type explorer struct {
	seen  map[xxh3.Uint128]float64 // how many ways lead on from a state
	steps int
	depth int
	ends  int
	trail []string
	wrong error
}

func (x *explorer) explore(w *world) (ways float64) {
	id := w.hash()
	if ways, known := x.seen[id]; known {
		return ways
	}
	x.depth = max(x.depth, len(x.trail))
	list := w.steps()
	if len(list) == 0 {
		end := w.clone()
		end.rest()
		x.wrong = end.wrong
		x.ends++
		ways = 1
	}
	for _, s := range list {
		next := w.clone()
		s.do(next)
		x.steps++
		x.trail = append(x.trail, s.name)
		if next.wrong == nil && len(next.chain.entries) > len(w.chain.entries) {
			next.wrong = verifyLinks(next.chain.links(), true)
		}
		if x.wrong = next.wrong; x.wrong == nil {
			ways += x.explore(next)
		}
		if x.wrong != nil {
			return 0 // the trail tells how
		}
		x.trail = x.trail[:len(x.trail)-1]
	}
	x.seen[id] = ways
	return ways
}

func explore(t *testing.T, p *plan) *explorer {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	x := &explorer{seen: make(map[xxh3.Uint128]float64)}
	begun := time.Now()
	ways := x.explore(newWorld(p))
	t.Logf("%d states, %d steps, %.3g interleavings of up to %d steps, %d ends, %v",
		len(x.seen), x.steps, ways, x.depth, x.ends, time.Since(begun).Round(time.Millisecond))
	return x
}

func (x *explorer) String() string {
	return x.wrong.Error() + "\n\t" + strings.Join(x.trail, "\n\t")
}

func TestEveryInterleaving(t *testing.T) {
	for name, p := range map[string]*plan{
		"two":           {copies: []string{"a", "a"}, faults: 2},
		"two2":          {copies: []string{"a", "a", "b"}, faults: 0, inOrder: true},
		"two late":      {copies: []string{"a", "a"}, faults: 1, late: true},
		"two late slow": {copies: []string{"a", "a"}, faults: 0, late: true, slow: true},
		"two slow":      {copies: []string{"a", "b"}, faults: 1, slow: true},
		"two2 slow":     {copies: []string{"a", "a", "b"}, faults: 0, slow: true, inOrder: true},
		"three":         {copies: []string{"a", "a", "b"}, faults: 1},
		"three order":   {copies: []string{"a", "a", "b"}, faults: 2, inOrder: true},
		"four":          {copies: []string{"a", "a", "b", "b"}, faults: 0},
	} {
		t.Run(name, func(t *testing.T) {
			if x := explore(t, p); x.wrong != nil {
				t.Error(x)
			}
		})
	}
}
