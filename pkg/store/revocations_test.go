package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// reader is a Revocations as a gateway has it, and what it was told.
type reader struct {
	*Revocations
	mu   sync.Mutex
	told []Revocation // guarded by mu
}

func newReader(s *Store) *reader {
	r := &reader{Revocations: NewRevocations(s, time.Hour)}
	r.Notify(func(v Revocation) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, v)
	})
	return r
}

// run runs r until the test ends, from when it has loaded.
func (r *reader) run(t *testing.T) *reader {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	<-r.Started()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// times is how often r was told of one.
func (r *reader) times(kind Kind, name string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.told {
		if v.Kind == kind && v.Name == name {
			n++
		}
	}
	return n
}

// knows tells whether r has one.
func (r *reader) knows(kind Kind, name string) bool {
	r.Revocations.mu.RLock()
	defer r.Revocations.mu.RUnlock()
	_, ok := r.set.get(revoked{kind, name})
	return ok
}

func revoke(t *testing.T, r *reader, v Revocation) {
	t.Helper()
	if err := r.Revoke(t.Context(), v); err != nil {
		t.Fatalf("revoke %v: %v", v, err)
	}
}

// forget empties Redis of what is revoked.
func forget(t *testing.T, s opened) {
	t.Helper()
	if err := s.client.Del(t.Context(), revocationKeys...).Err(); err != nil {
		t.Fatal(err)
	}
}

func testRevocations(t *testing.T, s opened) {
	forget(t, s)
	a, b := newReader(s.Store).run(t), newReader(s.Store).run(t)
	now := time.Now()
	names := map[Kind]string{KindUser: "älice x", KindToken: "id 1", KindFamily: "fam", KindDisconnect: "bob"}
	for kind, name := range names {
		revoke(t, a, Revocation{Kind: kind, Name: name})
		took := eventually(t, time.Second, "the other gateway knows", func() bool { return b.times(kind, name) == 1 })
		t.Logf("%s seen after %v", kind, took)
	}
	for _, r := range []*reader{a, b} {
		for _, tt := range []struct {
			user, id, family string
			since            time.Time
			want             error
		}{
			{"älice x", "", "", now.Add(-time.Hour), ErrRevoked},
			{"älice x", "", "", time.Time{}, ErrRevoked},
			{"älice x", "id", "f", now.Add(time.Minute), nil},
			{"älice", "", "", time.Time{}, nil},
			{"carol", "id 1", "", now, ErrRevoked},
			{"carol", "id 2", "fam", now.Add(time.Minute), ErrRevoked},
			{"id 1", "fam", "älice x", now, nil},
			{"bob", "", "", time.Time{}, nil},
		} {
			if err := r.Check(tt.user, tt.id, tt.family, tt.since); !errors.Is(err, tt.want) {
				t.Errorf("%+v: %v", tt, err)
			}
		}
		if err := r.Health(); err != nil {
			t.Error(err)
		}
	}
	// Once more, later: those who signed in meanwhile are meant, too. And the same again is no news.
	v := Revocation{Kind: KindUser, Name: "älice x", At: now.Add(2 * time.Minute)}
	revoke(t, b, v)
	eventually(t, time.Second, "the later time is known", func() bool {
		return a.Check("älice x", "", "", now.Add(time.Minute)) != nil
	})
	v.At = now
	revoke(t, b, v)
	time.Sleep(2 * revokedEvery)
	for _, r := range []*reader{a, b} {
		for kind, name := range names {
			want := 1
			if kind == KindUser {
				want = 2
			}
			if n := r.times(kind, name); n != want {
				t.Errorf("%s told %d times, want %d", kind, n, want)
			}
		}
	}
	for _, key := range revocationKeys {
		if left := s.client.PTTL(t.Context(), key).Val(); left <= 0 || left > 2*time.Hour {
			t.Errorf("%s lives for %v", key, left)
		}
	}
}

// testRevocationsLoad: who starts reads all, in pages, and not what has expired.
func testRevocationsLoad(t *testing.T, s opened) {
	forget(t, s)
	a := newReader(s.Store)
	const count = 1234
	var batch []Revocation
	for i := range count {
		v, err := Revocation{Kind: KindToken, Name: fmt.Sprint("many-", i)}.complete(time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if batch = append(batch, v); len(batch) == revokedBatch || i == count-1 {
			if refused, _, err := a.write(t.Context(), batch); refused != 0 || err != nil {
				t.Fatal(refused, err)
			}
			batch = nil
		}
	}
	expired := Revocation{Kind: KindToken, Name: "expired", At: time.Now().Add(-time.Hour), Until: time.Now().Add(-time.Second)}
	if _, _, err := a.write(t.Context(), []Revocation{expired}); err != nil {
		t.Fatal(err)
	}
	b := newReader(s.Store).run(t)
	for i := range count {
		if name := fmt.Sprint("many-", i); !b.knows(KindToken, name) {
			t.Fatalf("%s is not known", name)
		}
	}
	if b.knows(KindToken, "expired") {
		t.Error("what has expired was loaded")
	}
	eventually(t, time.Second, "all are told", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.told) == count
	})
}

// testRevocationsLost: what Redis has lost, those who know it write again.
func testRevocationsLost(t *testing.T, s opened) {
	forget(t, s)
	a, b := newReader(s.Store).run(t), newReader(s.Store).run(t)
	revoke(t, a, Revocation{Kind: KindUser, Name: "lost"})
	revoke(t, b, Revocation{Kind: KindDisconnect, Name: "lost"})
	eventually(t, time.Second, "both know", func() bool { return b.knows(KindUser, "lost") && a.knows(KindDisconnect, "lost") })
	forget(t, s)
	c := newReader(s.Store).run(t)
	eventually(t, 2*time.Second, "it is written again", func() bool { return c.knows(KindUser, "lost") })
	time.Sleep(2 * revokedEvery)
	if c.knows(KindDisconnect, "lost") {
		t.Error("a disconnection was told twice")
	}
	if a.times(KindUser, "lost") != 1 || b.times(KindUser, "lost") != 1 {
		t.Error("those who knew were told again")
	}
	if n := s.value(t, "realtime_revocations_retold_total"); n == 0 {
		t.Error("not counted")
	}
}

// history is what Redis has of what is revoked.
type history struct {
	sets  map[string][]redis.Z
	terms map[string]string
}

func save(t *testing.T, s opened) history {
	t.Helper()
	h := history{sets: make(map[string][]redis.Z)}
	for _, i := range []int{0, 1, 3} {
		h.sets[revocationKeys[i]] = must(s.client.ZRangeWithScores(t.Context(), revocationKeys[i], 0, -1).Result())
	}
	h.terms = must(s.client.HGetAll(t.Context(), revocationKeys[2]).Result())
	return h
}

// restore is a failover to a replica that was a little behind.
func restore(t *testing.T, s opened, h history) {
	t.Helper()
	_, err := s.client.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Del(t.Context(), revocationKeys...)
		for key, members := range h.sets {
			if len(members) > 0 {
				p.ZAdd(t.Context(), key, members...)
			}
		}
		if len(h.terms) > 0 {
			p.HSet(t.Context(), revocationKeys[2], h.terms)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testRevocationsForked: a number is given twice, after a failover.
func testRevocationsForked(t *testing.T, s opened) {
	forget(t, s)
	a, b, c := newReader(s.Store), newReader(s.Store), newReader(s.Store)
	revoke(t, a, Revocation{Kind: KindToken, Name: "1"})
	before := save(t, s)
	revoke(t, a, Revocation{Kind: KindToken, Name: "2"})
	b.look(t.Context()) // has come to number 2
	restore(t, s, before)
	revoke(t, c, Revocation{Kind: KindToken, Name: "other 2"})
	revoke(t, c, Revocation{Kind: KindToken, Name: "3"})
	b.look(t.Context())
	c.look(t.Context())
	for _, name := range []string{"1", "2", "other 2", "3"} {
		if !b.knows(KindToken, name) || !c.knows(KindToken, name) {
			t.Errorf("%q: known to b %v, to c %v", name, b.knows(KindToken, name), c.knows(KindToken, name))
		}
	}
}

func testRevocationsBound(t *testing.T, s opened) {
	forget(t, s)
	a := newReader(s.Store)
	a.most = 2
	revoke(t, a, Revocation{Kind: KindToken, Name: "1"})
	revoke(t, a, Revocation{Kind: KindToken, Name: "2"})
	if err := a.Revoke(t.Context(), Revocation{Kind: KindToken, Name: "3"}); !errors.Is(err, ErrRevocationsFull) {
		t.Errorf("a third one: %v", err)
	}
	if a.Check("", "3", "", time.Time{}) != nil {
		t.Error("what was refused is in force here")
	}
	revoke(t, a, Revocation{Kind: KindToken, Name: "2", Until: time.Now().Add(2 * time.Hour)})
	if n := s.value(t, "realtime_revocations_dropped_total"); n == 0 {
		t.Error("not counted")
	}
	for _, v := range []Revocation{
		{}, {Kind: KindUser}, {Kind: "users", Name: "a"}, {Kind: KindUser, Name: strings.Repeat("a", 129)}, {Kind: KindUser, Name: "\xff"},
		{Kind: KindUser, Name: "a", Until: time.Now().Add(-time.Second)}, {Kind: KindUser, Name: "a", At: time.Unix(-1, 0), Until: time.Now().Add(1e9)},
		{Kind: KindUser, Name: "a", Until: time.Now().AddDate(1000, 0, 0)}, {Kind: KindUser, Name: "a", At: time.Now().Add(1e12), Until: time.Now().Add(1e9)},
	} {
		if err := a.Revoke(t.Context(), v); !errors.Is(err, ErrRevocation) {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

// testRevocationsExpire: what has expired is no longer in force, and leaves Redis with a later writing.
func testRevocationsExpire(t *testing.T, s opened) {
	forget(t, s)
	a := newReader(s.Store)
	revoke(t, a, Revocation{Kind: KindToken, Name: "short", Until: time.Now().Add(50 * time.Millisecond)})
	if a.Check("", "short", "", time.Time{}) == nil {
		t.Error("not in force")
	}
	eventually(t, time.Second, "it has expired", func() bool { return a.Check("", "short", "", time.Time{}) == nil })
	a.sweep(time.Now())
	if a.knows(KindToken, "short") {
		t.Error("it is still in memory")
	}
	long := Revocation{Kind: KindToken, Name: "long ago", At: time.Now().Add(-time.Hour), Until: time.Now().Add(-2 * revokedMargin)}
	if _, _, err := a.write(t.Context(), []Revocation{long}); err != nil {
		t.Fatal(err)
	}
	revoke(t, a, Revocation{Kind: KindToken, Name: "next"})
	for _, key := range []string{revocationKeys[0], revocationKeys[1]} {
		if members := s.client.ZRange(t.Context(), key, 0, -1).Val(); slices.Contains(members, long.who()) || len(members) != 2 {
			t.Errorf("%s has %q", key, members)
		}
	}
}

// testRevocationsForeign: what another program wrote does not keep ours from being read.
func testRevocationsForeign(t *testing.T, s opened) {
	forget(t, s)
	a, b := newReader(s.Store), newReader(s.Store)
	ctx := t.Context()
	for i, who := range []string{"", "user", "user x", "token y"} {
		s.client.ZAdd(ctx, revocationKeys[0], redis.Z{Score: float64(i + 1), Member: who})
	}
	s.client.HSet(ctx, revocationKeys[2], "user x", "soon", "token y", "1 99999999999999999999")
	revoke(t, a, Revocation{Kind: KindUser, Name: "ours"})
	b.look(ctx)
	if !b.knows(KindUser, "ours") || b.Health() != nil {
		t.Errorf("known %v, health %v", b.knows(KindUser, "ours"), b.Health())
	}
	forget(t, s)
	s.client.Set(ctx, revocationKeys[0], "text", 0)
	if err := a.Revoke(ctx, Revocation{Kind: KindUser, Name: "none"}); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("with a key of another kind: %v", err)
	}
	forget(t, s)
}
