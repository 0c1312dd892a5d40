package auth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// Families knows which refresh token of each family comes next.
type Families interface {
	// Use takes the refresh token with a serial out of a family of user, and reports whether it was its turn: if
	// not, the family is revoked. What is known of the family is kept for keep, at least; access is how long its
	// access tokens live. With an error it is not known whether the token was used.
	Use(ctx context.Context, user, family string, serial int64, keep, access time.Duration) (bool, error)
}

// RefreshConfig is what a Refresher needs.
type RefreshConfig struct {
	Secret   Secret        // JWT_SECRET, 32 bytes or more
	Issuer   string        // JWT_ISSUER
	Audience string        // JWT_AUDIENCE
	Leeway   time.Duration // JWT_LEEWAY
	TTL      time.Duration // REFRESH_TOKEN_TTL: how long a refresh token can be used
	Families Families

	// Revoked is asked for each token, with its user, ID, family and when the family began; its error is for the
	// client.
	Revoked func(user, id, family string, since time.Time) error

	Registerer prometheus.Registerer // nil: the metrics are not registered
	Role       string                // label of the metrics
}

// Refresher exchanges refresh tokens for new pairs: refresh token rotation, RFC 9700 section 4.14.2. It is static and
// safe for concurrent use.
type Refresher struct {
	cfg    RefreshConfig
	key    []byte
	parser *jwt.Parser

	refreshed, refused, reused, away prometheus.Counter
}

// NewRefresher returns a Refresher. Its errors name the setting at fault.
func NewRefresher(cfg RefreshConfig) (*Refresher, error) {
	if err := checkSecret(cfg.Secret); err != nil {
		return nil, err
	}
	key, err := refreshKey(cfg.Secret)
	if err != nil {
		return nil, err
	}
	f := metric.For(cfg.Registerer, cfg.Role)
	outcomes := f.CounterVec(metric.TokenRefreshes, "outcome")
	return &Refresher{
		cfg: cfg, key: key,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{algHS256}),
			jwt.WithStrictDecoding(),
			jwt.WithoutClaimsValidation(), // claimSet checks them
		),
		refreshed: outcomes.WithLabelValues("refreshed"),
		refused:   outcomes.WithLabelValues("refused"),
		reused:    outcomes.WithLabelValues("reused"),
		away:      outcomes.WithLabelValues("unavailable"),
	}, f.Err()
}

// Refresh exchanges a refresh token, which is used up by it, for the next pair of its family: the same claims, with
// lives of the same length. A token that was used before, by whomever, is ErrRefreshUsed, and its family is revoked:
// the one who stole it and the one it was stolen from have to be told apart by signing in.
//
// ErrFamiliesAway and ctx's error say nothing about the token; it may be used up nevertheless. The text of every
// other error is for the client.
func (r *Refresher) Refresh(ctx context.Context, token string) (Pair, error) {
	now := time.Now()
	old, err := r.read(token, now)
	if err == nil {
		err = r.cfg.Revoked(old.claims.User, old.claims.ID, old.claims.Family, old.claims.SignedInAt)
	}
	if err != nil {
		r.refused.Inc()
		return Pair{}, err
	}
	next := old.lineage
	next.serial++
	pair, err := mintPair(r.cfg.Secret, TokenSpec{
		User: old.claims.User, Issuer: r.cfg.Issuer, Audience: r.cfg.Audience, SessionID: old.claims.SessionID,
		Roles: old.claims.Roles, Permissions: old.claims.Permissions, Topics: old.claims.Topics, TTL: old.accessTTL, Now: now,
	}, next, max(r.cfg.TTL, old.accessTTL))
	if err != nil { // nothing is used up
		r.refused.Inc()
		return Pair{}, err
	}
	ok, err := r.use(ctx, old, now)
	switch {
	case err != nil:
		r.away.Inc()
		return Pair{}, err
	case !ok:
		r.reused.Inc()
		return Pair{}, ErrRefreshUsed
	}
	r.refreshed.Inc()
	return pair, nil
}

// clockSkew is how far the clocks of those who mint and check may be apart, besides Leeway.
const clockSkew = time.Minute

// use takes the token out of its family, which is known for as long as any of its refresh tokens can be used.
func (r *Refresher) use(ctx context.Context, old *refreshToken, now time.Time) (bool, error) {
	margin := r.cfg.Leeway + clockSkew
	keep := max(r.cfg.TTL, old.accessTTL, old.claims.ExpiresAt.Sub(now)) + margin
	ok, err := r.cfg.Families.Use(ctx, old.claims.User, old.family, old.serial, keep, old.accessTTL+margin)
	switch {
	case err != nil && ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrFamiliesAway, err)
	}
	return ok, nil
}

// refreshToken is what a refresh token says.
type refreshToken struct {
	claims *Claims
	lineage
	accessTTL time.Duration
}

// read checks a refresh token in all respects but whether it was used.
func (r *Refresher) read(token string, now time.Time) (*refreshToken, error) {
	if len(token) > MaxToken {
		return nil, ErrTooLong
	}
	if !compact(token) {
		return nil, ErrMalformed
	}
	var set claimSet
	t, err := r.parser.ParseWithClaims(token, &set, r.find)
	switch {
	case errors.Is(err, errCritical):
		return nil, errCritical
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, ErrMalformed
	case err != nil && (t.Method == nil || t.Method.Alg() != algHS256):
		return nil, ErrAlgorithm
	case err != nil:
		return nil, ErrSignature
	case set.bad:
		return nil, ErrMalformed
	}
	exp, err := set.checkTime(now, r.cfg.Leeway)
	if err != nil {
		return nil, err
	}
	if err := set.checkOrigin(r.cfg.Issuer, r.cfg.Audience); err != nil {
		return nil, err
	}
	out := new(refreshToken)
	if out.claims, err = set.bearer(); err != nil {
		return nil, err
	}
	out.claims.ExpiresAt = exp
	out.family, out.signedIn = out.claims.Family, out.claims.SignedInAt
	var ok bool
	if out.serial, ok = whole(set.serial); !ok || out.family == "" || out.signedIn.IsZero() {
		return nil, fmt.Errorf("%w: it has no place in a family", ErrMalformed)
	}
	if n := set.accessTTL; n.Type != gjson.Number || !(n.Num >= 0.001 && n.Num <= lastDate) {
		return nil, fmt.Errorf("%w: access_ttl is not a time", ErrMalformed)
	}
	out.accessTTL = time.Duration(min(math.Round(set.accessTTL.Num*1000)*1e6, float64(maxAccessTTL)))
	return out, nil
}

// maxAccessTTL keeps arithmetic from overflowing.
const maxAccessTTL = 100 * 365 * 24 * time.Hour

// find returns the key, RFC 8725 section 3.11: a token of another type is none of ours.
func (r *Refresher) find(t *jwt.Token) (any, error) {
	if _, ok := t.Header["crit"]; ok {
		return nil, errCritical
	}
	if t.Header["typ"] != refreshType {
		return nil, ErrSignature
	}
	return r.key, nil
}

// whole reads a number that counts something.
func whole(r gjson.Result) (int64, bool) {
	const most = 1 << 53
	if r.Type != gjson.Number || !(r.Num >= 0 && r.Num < most) || r.Num != math.Trunc(r.Num) {
		return 0, false
	}
	return int64(r.Num), true
}
