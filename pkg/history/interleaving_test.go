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

// TestEveryInterleaving lets everything happen that can, in every order, in small worlds: a key changes hands from one
// owner to another, gracefully, by a crash, or so that both believe for a while, or to the end, that it is their
// own. Meanwhile publications reach either of them, again when their sender is in doubt, subscribers join either of
// them, later with the position where they are, writes arrive late or after their owner's end, and their answers and
// what is delivered take their time. Within a budget of faults, writes are given up that may take place yet, and
// reads fail or come from a replica that is behind.
//
// In each state:
//
//   - The chain's offsets grow by one, from 1, in one epoch, and no id is in it twice.
//   - Whoever was told "stored" finds the publication in the chain, where they were told, all copies of it
//     at one place.
//   - Whatever an owner delivers was in the chain before, where it says.
//   - What a subscriber has got is what the chain has from its position on, without a gap, in order, none twice.
//   - No owner says of a position that what follows it is not to be had.
//
// And when nothing more can happen, and the last owner has read the chain once more, as owners do now and then:
//
//   - All that reached it was acked, and nothing waits.
//   - Every subscriber has got everything.
//
// What owners do is the code of Log itself. The gateways are reduced to what they have to do: to drop what they have
// seen, and to fetch what is missing before what follows it.
func TestEveryInterleaving(t *testing.T) {
	worlds := []*plan{
		{name: "a resend", copies: []string{"a", "a"}, faults: 1},
		{name: "a resend and more faults", copies: []string{"a", "a"}, faults: 2, large: true},
		{name: "two writers", copies: []string{"a", "b"}, faults: 1, slow: true, large: true},
		{name: "two writers and a resend", copies: []string{"a", "a", "b"}, faults: 1, large: true},
		{name: "one writer with two and a resend", copies: []string{"a", "a", "b"}, slow: true, inOrder: true},
		{name: "a late subscriber", copies: []string{"a", "a"}, faults: 1, late: true, large: true},
		{name: "a late subscriber far away", copies: []string{"a", "a"}, late: true, slow: true, large: true},
	}
	before := debug.SetGCPercent(400)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	for _, p := range worlds {
		t.Run(p.name, func(t *testing.T) {
			if p.large && (testing.Short() || underRace) {
				t.Skip("takes up to two million steps")
			}
			t.Parallel()
			if x := explore(t, p); x.wrong != nil {
				t.Error(x)
			}
		})
	}
}

// TestEveryInterleavingFindsWhatIsBroken takes away, one at a time, what the invariants rest on.
func TestEveryInterleavingFindsWhatIsBroken(t *testing.T) {
	worlds := []*plan{
		{name: "no fence", copies: []string{"a", "b"}, unfenced: true},
		{name: "delivery before the write is answered", copies: []string{"a"}, early: true},
		{name: "ids forgotten by a new owner", copies: []string{"a", "a"}, forgetful: true},
		{name: "no look at the chain at the end", copies: []string{"a"}, deaf: true},
	}
	for _, p := range worlds {
		t.Run(p.name, func(t *testing.T) {
			x := explore(t, p)
			if x.wrong == nil {
				t.Fatal("nobody noticed")
			}
			t.Log(x)
		})
	}
}
