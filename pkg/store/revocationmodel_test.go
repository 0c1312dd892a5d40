package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// testRevocationsModel: whatever happens to Redis, in the end every reader knows what any of them was told was
// revoked, and who starts then does, too.
func testRevocationsModel(t *testing.T, s opened) {
	seed := uint64(time.Now().UnixNano())
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		seed++
		if !modelRound(t, s, seed) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func modelRound(t *testing.T, s opened, seed uint64) bool {
	random := rand.New(rand.NewPCG(seed, 0))
	forget(t, s)
	ctx := t.Context()
	readers := []*reader{newReader(s.Store), newReader(s.Store), newReader(s.Store)}
	for _, r := range readers {
		r.page = 3
	}
	var histories []history
	want := make(map[string]bool)
	for step := range 60 {
		r := readers[random.IntN(len(readers))]
		switch n := random.IntN(100); {
		case n < 45:
			name := fmt.Sprint("t", random.IntN(30))
			revoke(t, r, Revocation{Kind: KindToken, Name: name, Until: time.Now().Add(time.Hour + time.Duration(step)*time.Second)})
			want[name] = true
		case n < 80:
			r.look(ctx)
		case n < 88:
			_, _ = r.readPage(ctx) // and no more: it was interrupted
		case n < 94:
			histories = append(histories, save(t, s))
		case n < 99:
			if len(histories) > 0 {
				restore(t, s, histories[len(histories)-1])
			}
		default:
			forget(t, s)
		}
	}
	// The first round brings what is missing to Redis, the second one to everybody.
	for range 2 {
		for _, r := range readers {
			r.look(ctx)
		}
	}
	late := newReader(s.Store)
	late.look(ctx)
	for i, r := range append(readers, late) {
		for name := range want {
			if !r.knows(KindToken, name) {
				t.Errorf("reader %d does not know %s", i, name)
				return false
			}
		}
	}
	return true
}
