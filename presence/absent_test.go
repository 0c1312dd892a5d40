package presence

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// An absence is looked at once, when its time has come, unless it was cancelled; the first time counts.
func TestAbsencesLikeTheirModel(t *testing.T) {
	seeded(t, 20, func(t *testing.T, r *rand.Rand) {
		now := time.UnixMilli(1_763_856_000_000)
		var a absences
		model := make(map[*user]time.Time)
		users := make([]*user, 20)
		for i := range users {
			users[i] = &user{key: strconv.Itoa(i)}
		}
		for range 3000 {
			u := oneOf(r, users)
			switch r.IntN(5) {
			case 0, 1:
				at := now.Add(time.Duration(r.IntN(100)) * time.Millisecond)
				a.later(u, at)
				if _, waits := model[u]; !waits {
					model[u] = at
				}
			case 2:
				a.cancel(u)
				delete(model, u)
			default:
				now = now.Add(time.Duration(r.IntN(20)) * time.Millisecond)
				var want []*user
				for u, at := range model {
					if !at.After(now) {
						want = append(want, u)
						delete(model, u)
					}
				}
				got := a.due(now)
				byKey := func(a, b *user) int { return slices.Index(users, a) - slices.Index(users, b) }
				slices.SortFunc(got, byKey)
				slices.SortFunc(want, byKey)
				if !slices.Equal(got, want) {
					t.Fatalf("%d are due, want %d", len(got), len(want))
				}
			}
			waits := make(map[*user]time.Time)
			for _, u := range users {
				if u.absence != nil {
					waits[u] = u.absence.at
				}
			}
			if !maps.Equal(waits, model) {
				t.Fatalf("%d wait, want %d", len(waits), len(model))
			}
		}
		a.due(now.Add(time.Hour))
		if len(a.list) != 0 {
			t.Errorf("%d are left over", len(a.list))
		}
	})
}
