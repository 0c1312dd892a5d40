package history

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func given(id string) *Publication { return &Publication{User: "u", MessageID: id, Given: true} }

// TestRecognized compares with a list of all that was stored.
func TestRecognized(t *testing.T) {
	const window = time.Minute
	rng := rand.New(rand.NewPCG(3, 4))
	var r recognized
	now := modelNow
	type stored struct {
		offset uint64
		at     time.Time
	}
	known := map[string]stored{}
	for i := range uint64(20_000) {
		now = now.Add(time.Duration(rng.IntN(200)) * time.Millisecond)
		before := now.Add(-window)
		r.expire(before)
		id := fmt.Sprint(rng.IntN(2000))
		want, ok := known[id]
		ok = ok && !want.at.Before(before)
		offset, known1 := r.recall(given(id))
		if known1 != ok || ok && offset != want.offset {
			t.Fatalf("%s: %d, %v, want %v, %v", id, offset, known1, want, ok)
		}
		if !ok {
			r.recognize(given(id), i, now, before)
			known[id] = stored{i, now}
		}
		if len(r.offsets) != len(r.order) {
			t.Fatal(len(r.offsets), len(r.order))
		}
	}
	if r.expire(now.Add(time.Hour)); r.offsets != nil || r.order != nil {
		t.Error("what is forgotten takes up memory")
	}
}

func TestRecognizedTellsApart(t *testing.T) {
	var r recognized
	r.recognize(given("a"), 1, modelNow, modelNow)
	for _, p := range []*Publication{
		{User: "v", MessageID: "a", Given: true}, {User: "ua", Given: true}, {MessageID: "u\x00a"}, {User: "u", MessageID: "a"},
	} {
		if _, known := r.recall(p); known {
			t.Errorf("%+v is taken for another", p)
		}
	}
	r.recognize(given("old"), 2, modelNow.Add(-time.Second), modelNow)
	if _, known := r.recall(given("old")); known {
		t.Error("what is too old is recognized")
	}
	r.recognize(given("a"), 9, modelNow, modelNow)
	if offset, _ := r.recall(given("a")); offset != 1 {
		t.Errorf("a is said to be at %d", offset)
	}
	r.displace()
	if offset, known := r.recall(given("a")); offset != 0 || !known {
		t.Error(offset, known)
	}
}

func TestRecognizedIsBounded(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("a million ids")
	}
	var r recognized
	for i := range uint64(recognizedMost + 10) {
		r.recognize(given(fmt.Sprint(i)), i, modelNow, modelNow)
	}
	_, first := r.recall(given("9"))
	_, second := r.recall(given("10"))
	if len(r.offsets) != recognizedMost || len(r.order) != recognizedMost || r.early != 10 || first || !second {
		t.Error(len(r.offsets), len(r.order), r.early, first, second)
	}
}
