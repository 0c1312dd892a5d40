package store

import (
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestConcerns(t *testing.T) {
	at := time.Unix(1_763_856_000, 0)
	before, after := at.Add(-time.Minute), at.Add(time.Minute)
	tests := []struct {
		kind          Kind
		name          string
		since, opened time.Time
		user, id, fam string
		want          bool
	}{
		{KindUser, "alice", before, after, "alice", "id", "fam", true},
		{KindUser, "alice", at, after, "alice", "id", "fam", true},
		{KindUser, "alice", time.Time{}, after, "alice", "id", "fam", true},
		{KindUser, "alice", after, before, "alice", "id", "fam", false},
		{KindUser, "alice", before, before, "bob", "alice", "alice", false},
		{KindToken, "id", after, after, "alice", "id", "fam", true},
		{KindToken, "id", before, before, "id", "", "id", false},
		{KindFamily, "fam", after, after, "alice", "id", "fam", true},
		{KindFamily, "fam", before, before, "fam", "fam", "", false},
		{KindDisconnect, "alice", after, before, "alice", "", "", true},
		{KindDisconnect, "alice", after, at.Add(openSlack), "alice", "", "", true},
		{KindDisconnect, "alice", before, after, "alice", "", "", false},
		{KindDisconnect, "alice", before, before, "bob", "alice", "alice", false},
		{"other", "alice", before, before, "alice", "alice", "alice", false},
	}
	for _, tt := range tests {
		r := Revocation{Kind: tt.kind, Name: tt.name, At: at, Until: after}
		if got := r.Concerns(tt.user, tt.id, tt.fam, tt.since, tt.opened); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestRevocationSet(t *testing.T) {
	at := time.Unix(1_763_856_000, 0)
	s := newRevocationSet(2)
	add := func(kind Kind, name string, from, until time.Duration, load uint64, wantNews, wantOK bool) {
		t.Helper()
		news, ok := s.add(Revocation{Kind: kind, Name: name, At: at.Add(from), Until: at.Add(until)}, load)
		if news != wantNews || ok != wantOK {
			t.Errorf("add %s %s: %v, %v", kind, name, news, ok)
		}
	}
	add(KindUser, "a", 0, time.Hour, 0, true, true)
	add(KindUser, "a", 0, time.Hour, 1, false, true)
	add(KindUser, "a", -time.Minute, time.Minute, 0, false, true) // neither is taken back
	add(KindUser, "a", time.Second, time.Minute, 0, true, true)
	add(KindToken, "a", 0, time.Minute, 0, true, true)
	add(KindFamily, "a", 0, time.Hour, 0, false, false)
	add(KindUser, "a", 0, 2*time.Hour, 0, true, true)

	if got, ok := s.get(revoked{KindUser, "a"}); !ok || !got.At.Equal(at.Add(time.Second)) || !got.Until.Equal(at.Add(2*time.Hour)) {
		t.Errorf("known as %+v", got)
	}
	for _, tt := range []struct {
		user, id   string
		since, now time.Duration
		want       bool
	}{
		{"a", "", time.Second, 0, true},
		{"a", "", time.Second + time.Millisecond, 0, false},
		{"a", "", 0, 2*time.Hour - 1, true},
		{"a", "", 0, 2 * time.Hour, false},
		{"", "a", time.Hour, time.Minute - 1, true},
		{"", "a", time.Hour, time.Minute, false},
		{"", "", 0, 0, false},
	} {
		if got := s.voids(tt.user, tt.id, "", at.Add(tt.since), at.Add(tt.now)); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	if got := s.missing(1, at); len(got) != 1 || got[0] != (revoked{KindToken, "a"}) {
		t.Errorf("missing %v", got)
	}
	s.expire(at.Add(time.Minute))
	if _, ok := s.get(revoked{KindToken, "a"}); ok || len(s.terms) != 1 {
		t.Errorf("left are %v", s.terms)
	}
	add(KindDisconnect, "a", 0, time.Hour, 0, true, true)
	if got := s.missing(2, at); len(got) != 1 || got[0].kind != KindUser {
		t.Errorf("missing %v: a disconnection is not told twice", got)
	}
}

// TestRevocationsRestart: one that makes the gateway panic does not keep the others from it.
func TestRevocationsRestart(t *testing.T) {
	s := open(t, "")
	r := NewRevocations(s.Store, time.Hour)
	var told []string
	all := make(chan struct{})
	r.Notify(func(v Revocation) {
		if v.Name == "bad" {
			panic("bad")
		}
		if told = append(told, v.Name); len(told) == 2 {
			close(all)
		}
	})
	for _, name := range []string{"first", "bad", "last"} {
		if err := r.Revoke(t.Context(), Revocation{Kind: KindUser, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	func() {
		defer func() {
			if v := recover(); v != "bad" {
				t.Errorf("recovered %v", v)
			}
		}()
		_ = r.Run(t.Context())
	}()
	again := &reader{Revocations: r}
	again.run(t)
	<-all
	if told[0] != "first" || told[1] != "last" {
		t.Errorf("told of %q", told)
	}
}

func BenchmarkRevocationCheck(b *testing.B) {
	s, err := Open(b.Context(), Config{Log: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	r := NewRevocations(s, time.Hour)
	now := time.Now()
	for i := range 10_000 {
		r.set.add(Revocation{Kind: KindToken, Name: string(rune(i)), At: now, Until: now.Add(time.Hour)}, 0)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r.Check("alice", "an ID", "a family", now) != nil {
			b.Fatal("revoked")
		}
	}
}
