package checker

import (
	"math/rand/v2"
	"testing"
)

// contradict is the definition taken literally: the union of all "saw before"
// relations, closed under transitivity, relates a message to itself.
func contradict(seqs []sequence, n int) bool {
	before := make([][]bool, n)
	for i := range before {
		before[i] = make([]bool, n)
	}
	for _, s := range seqs {
		for a := range s.order {
			for b := a + 1; b < len(s.order); b++ {
				before[s.order[a]][s.order[b]] = true
			}
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				before[i][j] = before[i][j] || before[i][k] && before[k][j]
			}
		}
	}
	for i := range n {
		if before[i][i] {
			return true
		}
	}
	return false
}

func randomSequences(r *rand.Rand, n, subs int, keep float64, swaps int) []sequence {
	seqs := make([]sequence, subs)
	for s := range seqs {
		seqs[s].has = make([]bool, n)
		for i := range n {
			if r.Float64() < keep {
				seqs[s].order = append(seqs[s].order, int32(i))
				seqs[s].has[i] = true
			}
		}
	}
	for range swaps {
		o := seqs[r.IntN(subs)].order
		if len(o) > 1 {
			i := r.IntN(len(o) - 1)
			o[i], o[i+1] = o[i+1], o[i]
		}
	}
	return seqs
}

func TestMergeAgreesWithTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	both := [2]int{}
	for range 20_000 {
		n, subs := 1+r.IntN(8), 1+r.IntN(5)
		seqs := randomSequences(r, n, subs, 0.3+0.7*r.Float64(), r.IntN(3))
		cycles := merge(seqs, n)
		want := contradict(seqs, n)
		if (len(cycles) > 0) != want {
			t.Fatalf("%v: cycles %v, contradiction %v", seqs, cycles, want)
		}
		for _, c := range cycles {
			checkCycle(t, seqs, c)
		}
		if want {
			both[1]++
		} else {
			both[0]++
		}
	}
	if both[0] < 1000 || both[1] < 1000 {
		t.Errorf("the sample is one-sided: %v", both)
	}
}

// checkCycle holds each link against the sequence it cites.
func checkCycle(t *testing.T, seqs []sequence, c cycle) {
	t.Helper()
	for k, l := range c {
		if next := c[(k+1)%len(c)]; l.earlier != next.later {
			t.Fatalf("%v is no chain", c)
		}
		pos := map[int32]int{}
		for p, i := range seqs[l.sub].order {
			pos[i] = p + 1
		}
		if e, f := pos[l.earlier], pos[l.later]; e == 0 || f == 0 || e >= f {
			t.Fatalf("%v: subscriber %d saw no such pair in %v", c, l.sub, seqs[l.sub].order)
		}
	}
}

func TestMergeFindsOneSwapAmongMany(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const n = 50_000
	seqs := randomSequences(r, n, 9, 1, 0)
	if c := merge(seqs, n); len(c) != 0 {
		t.Fatalf("cycles %v", c)
	}
	o := seqs[4].order
	o[777], o[778] = o[778], o[777]
	if c := merge(seqs, n); len(c) != 1 || len(c[0]) != 2 {
		t.Fatalf("cycles %v", c)
	}
}
