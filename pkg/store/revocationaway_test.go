package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestRevocationsAway: while Redis is away, what is known stays in force, and a start knows of nothing. When it is
// back, without its data, all know all.
func TestRevocationsAway(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s, other := open(t, server.url()), open(t, server.url())
	s.run(t)
	other.run(t)
	a, b := newReader(s.Store).run(t), newReader(other.Store).run(t)
	revoke(t, a, Revocation{Kind: KindUser, Name: "before"})
	eventually(t, time.Second, "both know", func() bool { return b.knows(KindUser, "before") })

	server.kill()
	took := eventually(t, 5*time.Second, "both say so", func() bool { return a.Health() != nil && b.Health() != nil })
	t.Logf("unhealthy after %v: %v", took, a.Health())
	if a.Check("before", "", "", time.Time{}) == nil || b.Check("before", "", "", time.Time{}) == nil {
		t.Error("what was revoked is in force again")
	}
	start := time.Now()
	if err := a.Revoke(t.Context(), Revocation{Kind: KindToken, Name: "none"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("revoked while Redis is away: %v", err)
	}
	if took := time.Since(start); took > DefaultTimeout {
		t.Errorf("that took %v", took)
	}
	if a.Check("", "none", "", time.Time{}) != nil {
		t.Error("what failed is in force")
	}
	// A family whose reuse was noticed when Redis went.
	NewFamilies(s.Store, a.Revocations).revoke(t.Context(), "stolen", time.Hour)
	if a.Check("", "", "stolen", time.Time{}) == nil {
		t.Error("the family is in force")
	}
	third := open(t, server.url())
	third.run(t)
	c := newReader(third.Store).run(t)
	if err := c.Health(); err == nil || !strings.HasPrefix(err.Error(), "not loaded: ") {
		t.Errorf("health of one that has heard nothing: %v", err)
	}
	if err := c.Check("before", "", "", time.Time{}); err != nil {
		t.Errorf("what is not known is revoked: %v", err)
	}

	server.start()
	took = eventually(t, 10*time.Second, "all know all", func() bool {
		for _, r := range []*reader{a, b, c} {
			if !r.knows(KindUser, "before") || !r.knows(KindFamily, "stolen") || r.Health() != nil {
				return false
			}
		}
		return true
	})
	t.Logf("all know all after %v", took)
	if n := c.times(KindUser, "before"); n != 1 {
		t.Errorf("told %d times, want 1: connections let in meanwhile end", n)
	}
}

// TestRevocationsFailover kills the master before its replica has an acknowledged revocation.
func TestRevocationsFailover(t *testing.T) {
	t.Parallel()
	master, replica, sentinel := startReplicated(t)
	client := replica.client()
	defer client.Close()
	url := sentinel.url() + "?master_name=m"
	s, other := open(t, url), open(t, url)
	s.run(t)
	other.run(t)
	a, b := newReader(s.Store).run(t), newReader(other.Store).run(t)
	revoke(t, a, Revocation{Kind: KindUser, Name: "first"})
	eventually(t, 2*time.Second, "the replica has it, and b", func() bool {
		return b.knows(KindUser, "first") && client.Exists(context.Background(), revocationKeys...).Val() == 4
	})
	replica.do("REPLICAOF NO ONE") // it gets no more, and will be found to be the master
	revoke(t, a, Revocation{Kind: KindUser, Name: "second"})
	eventually(t, 2*time.Second, "b knows", func() bool { return b.knows(KindUser, "second") })
	master.kill()
	took := eventually(t, 30*time.Second, "the replica is the master", func() bool {
		return b.Revoke(t.Context(), Revocation{Kind: KindUser, Name: "third"}) == nil
	})
	t.Logf("revoked again after %v", took)
	c := newReader(other.Store).run(t)
	eventually(t, 5*time.Second, "all know all", func() bool {
		for _, r := range []*reader{a, b, c} {
			for _, name := range []string{"first", "second", "third"} {
				if !r.knows(KindUser, name) {
					return false
				}
			}
		}
		return true
	})
}
