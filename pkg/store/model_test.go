package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// model is a queue as simple as it can be written.
type model struct {
	limits  Limits
	entries []Entry
}

func (m *model) append(e Message) error {
	bytes := len(e.From) + len(e.ID) + len(e.Payload)
	for _, old := range m.entries {
		if e.ID != "" && old.ID == e.ID && old.From == e.From {
			return nil
		}
		bytes += len(old.From) + len(old.ID) + len(old.Payload)
	}
	if len(m.entries) >= m.limits.MaxCount || bytes > m.limits.MaxBytes {
		return ErrQueueFull
	}
	m.entries = append(m.entries, Entry{Message: e})
	return nil
}

// testModel compares random operations with the model.
func testModel(t *testing.T, s opened) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	limits := Limits{MaxCount: 8, MaxBytes: 100, TTL: time.Hour}
	q, m := NewQueue(s.Store, limits), &model{limits: limits}
	user := "model" + strconv.FormatUint(seed, 10)
	for step := range 500 {
		switch random.IntN(4) {
		case 0, 1:
			e := Message{From: string(rune('a' + random.IntN(3))), Payload: make([]byte, random.IntN(25)), SentAt: int64(step)}
			if random.IntN(5) > 0 {
				e.ID = fmt.Sprint(random.IntN(20))
			}
			if got, want := q.Append(t.Context(), user, e), m.append(e); !errors.Is(got, want) {
				t.Fatalf("step %d: append %+v to %d entries: %v, want %v", step, e, len(m.entries), got, want)
			}
		case 2: // any, mostly the oldest, some that are gone
			n := random.IntN(4)
			var gone []string
			for _, e := range m.entries[:min(n, len(m.entries))] {
				gone = append(gone, e.Position)
			}
			if random.IntN(4) == 0 && len(m.entries) > 0 {
				gone = append(gone, m.entries[random.IntN(len(m.entries))].Position)
			}
			if err := q.Remove(t.Context(), user, gone...); err != nil {
				t.Fatal(err)
			}
			m.entries = slices.DeleteFunc(m.entries, func(e Entry) bool { return slices.Contains(gone, e.Position) })
		case 3:
			if n, err := q.Len(t.Context(), user); err != nil || n != len(m.entries) {
				t.Fatalf("step %d: Len is %d, %v, want %d", step, n, err, len(m.entries))
			}
		}
		got := readAll(t, q, user, 1+random.IntN(10))
		if len(got) != len(m.entries) {
			t.Fatalf("step %d: %q, want %q", step, ids(got), ids(m.entries))
		}
		for i, e := range got {
			if want := m.entries[i]; e.SentAt != want.SentAt || e.From != want.From || e.ID != want.ID || len(e.Payload) != len(want.Payload) || want.Position != "" && e.Position != want.Position {
				t.Fatalf("step %d: entry %d is %+v, want %+v", step, i, e, want)
			}
			m.entries[i].Position = e.Position
		}
	}
	// The index counts what is there.
	bytes := 0
	for _, e := range m.entries {
		bytes += len(e.From) + len(e.ID) + len(e.Payload)
	}
	index := s.client.HGetAll(t.Context(), queueKeys(user)[1]).Val()
	if bytes > 0 && index["bytes"] != strconv.Itoa(bytes) {
		t.Errorf("the index counts %s bytes, want %d", index["bytes"], bytes)
	}
	if len(index) > 1+len(m.entries) {
		t.Errorf("the index has %d fields for %d entries", len(index), len(m.entries))
	}
}
