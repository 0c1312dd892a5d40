package presence

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seeded runs a test with random numbers by several seeds, which are the subtests' names.
func seeded(t *testing.T, seeds int, test func(t *testing.T, r *rand.Rand)) {
	for seed := range uint64(seeds) {
		t.Run(seedName(seed), func(t *testing.T) { test(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func seedName(seed uint64) string { return "seed=" + strconv.FormatUint(seed, 10) }

// oneOf picks one of a list.
func oneOf[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }
