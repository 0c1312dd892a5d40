package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	keepFamily  = time.Hour
	accessLife  = 15 * time.Minute
	familyOwner = "käthe {%}"
)

func newFamilies(s opened) (*Families, *Revocations) {
	r := NewRevocations(s.Store, time.Hour)
	return NewFamilies(s.Store, r), r
}

// use wants the use of a token to be granted or not.
func use(t *testing.T, f *Families, family string, serial int64, want bool) {
	t.Helper()
	got, err := f.Use(t.Context(), familyOwner, family, serial, keepFamily, accessLife)
	if got != want || err != nil {
		t.Errorf("use of %s %d: %v, %v, want %v", family, serial, got, err, want)
	}
}

func testFamily(t *testing.T, s opened) {
	f, r := newFamilies(s)
	for serial := range int64(4) {
		use(t, f, "fam-a", serial, true)
	}
	use(t, f, "fam-b", 0, true)
	if err := r.Check(familyOwner, "id", "fam-a", time.Now()); err != nil {
		t.Errorf("before the reuse: %v", err)
	}
	use(t, f, "fam-a", 3, false) // the newest that was used
	if err := r.Check(familyOwner, "id", "fam-a", time.Now()); !errors.Is(err, ErrRevoked) {
		t.Errorf("after the reuse: %v", err)
	}
	use(t, f, "fam-a", 4, false) // the one that would have been next
	use(t, f, "fam-a", 0, false)

	use(t, f, "fam-b", 1, true) // others go on
	use(t, f, "fam-b", 0, false)
	use(t, f, "fam-b", 2, false)
	if other, err := f.Use(t.Context(), "otto", "fam-a", 0, keepFamily, accessLife); !other || err != nil {
		t.Errorf("a family of another user: %v, %v", other, err)
	}
	if n := s.value(t, "realtime_token_families_total", "outcome", "reused"); n < 2 {
		t.Errorf("%v reused, want 2", n)
	}
}

// testFamilyLost: Redis without its data refuses what was used, and says so of the first token, once it knows better.
func testFamilyLost(t *testing.T, s opened) {
	f, r := newFamilies(s)
	use(t, f, "lost", 0, true)
	use(t, f, "lost", 1, true)
	if err := s.client.Del(t.Context(), familyKey(familyOwner, "lost")).Err(); err != nil {
		t.Fatal(err)
	}
	use(t, f, "lost", 2, false)
	use(t, f, "lost", 0, false)
	_ = s.client.Del(t.Context(), familyKey(familyOwner, "lost")).Err()
	use(t, f, "lost", 0, true) // nothing is known: it is taken for unused
	if err := r.Check(familyOwner, "", "other", time.Time{}); err != nil {
		t.Errorf("another family: %v", err)
	}
}

// testFamilyAhead: a failover that lost the newest use.
func testFamilyAhead(t *testing.T, s opened) {
	f, _ := newFamilies(s)
	use(t, f, "ahead", 0, true)
	use(t, f, "ahead", 2, true)
	use(t, f, "ahead", 1, false)
	use(t, f, "ahead", 3, false)
}

func testFamilyAtOnce(t *testing.T, s opened) {
	f, r := newFamilies(s)
	var granted atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			ok, err := f.Use(t.Context(), familyOwner, "at once", 0, keepFamily, accessLife)
			if err != nil {
				t.Error(err)
			}
			if ok {
				granted.Add(1)
			}
		})
	}
	wg.Wait()
	if n := granted.Load(); n != 1 {
		t.Errorf("granted %d times, want 1", n)
	}
	use(t, f, "at once", 1, false)
	if r.Check(familyOwner, "", "at once", time.Now()) == nil {
		t.Error("the family's tokens are in force")
	}
}

// testFamilyRepeat: a call whose answer was lost is made again, and is no reuse.
func testFamilyRepeat(t *testing.T, s opened) {
	f, _ := newFamilies(s)
	for _, step := range []struct {
		serial     int
		name, want string
	}{{0, "a", "used"}, {0, "a", "used"}, {1, "b", "used"}, {1, "b", "used"}, {0, "a", "reused"}, {1, "b", "revoked"}} {
		got, err := useScript.Run(t.Context(), s.client, []string{familyKey(familyOwner, "repeat")}, step.serial, 60_000, step.name).Text()
		if got != step.want || err != nil {
			t.Errorf("%+v: %s, %v", step, got, err)
		}
	}
	use(t, f, "repeat", 2, false)
}

// testFamilyLife: a family ends by itself, and is not forgotten while one of its tokens is good.
func testFamilyLife(t *testing.T, s opened) {
	f, _ := newFamilies(s)
	for serial, keep := range []time.Duration{time.Hour, time.Minute, 2 * time.Hour} {
		if ok, err := f.Use(t.Context(), familyOwner, "life", int64(serial), keep, accessLife); !ok || err != nil {
			t.Fatal(ok, err)
		}
		want := max(time.Hour, keep)
		if left := s.client.PTTL(t.Context(), familyKey(familyOwner, "life")).Val(); left > want || left < want-time.Minute {
			t.Errorf("use %d: the family lives for %v, want %v", serial, left, want)
		}
	}
}
