package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// Families knows which refresh token of each family comes next: auth.Families. It is safe for concurrent use, also by
// several processes: of several that use one token at once, one may, and the family is revoked.
//
// A family is a hash in Redis that belongs to its user, one script makes each use of it. Where Redis has lost it, its
// first token may be used once more, and no other one. Where Redis has lost its newest uses only, in a failover,
// tokens that came of those are taken, and older ones are known again by the next use.
type Families struct {
	store       *Store
	revocations *Revocations
}

// NewFamilies returns the families in s. A family that is revoked is told to r.
func NewFamilies(s *Store, r *Revocations) *Families { return &Families{s, r} }

// Use takes the refresh token with a serial, from 0 on, out of a family of user, and reports whether it was its turn.
// If not, the family's tokens are revoked for access, the life of its access tokens. The family is known for keep, or
// longer. With an error, which wraps ErrUnavailable when Redis is away or is ctx's own, the token may have been used.
func (f *Families) Use(ctx context.Context, user, family string, serial int64, keep, access time.Duration) (bool, error) {
	var outcome string
	name := rand.Text() // so that the call can be repeated
	err := f.store.breaker.do(ctx, repeat, func(ctx context.Context) (err error) {
		keys := []string{familyKey(user, family)}
		outcome, err = useScript.Run(ctx, f.store.client, keys, serial, keep.Milliseconds(), name).Text()
		return err
	})
	if err != nil {
		return false, fmt.Errorf("use refresh token: %w", err)
	}
	f.store.metrics.families.WithLabelValues(outcome).Inc()
	if outcome == "used" {
		return true, nil
	}
	if outcome != "revoked" { // once for each family, however often it is tried
		f.store.breaker.log.Warn("a refresh token was refused: it is not the newest of its family",
			zap.String("user", user), zap.String("family", family), zap.Int64("serial", serial), zap.String("outcome", outcome))
	}
	if outcome != "unknown" {
		f.revoke(ctx, family, access)
	}
	return false, nil
}

// revoke revokes a family's tokens, unless that is known. When Redis went away just now, they are revoked here, and
// everywhere once it is back.
func (f *Families) revoke(ctx context.Context, family string, access time.Duration) {
	if f.revocations.Check("", "", family, time.Time{}) != nil {
		return
	}
	now := time.Now()
	v := Revocation{Kind: KindFamily, Name: family, At: now, Until: now.Add(access)}
	if err := f.revocations.Revoke(context.WithoutCancel(ctx), v); err != nil {
		f.store.breaker.log.Warn("a family of tokens could not be revoked everywhere yet",
			zap.String("family", family), zap.Error(err))
		f.revocations.later(v)
	}
}
