// Package auth tells who a client is: it verifies access tokens, JSON Web Tokens (RFC 7519)
// signed as RFC 7515 says, and mints them for the command line and for tests. It implements
// the claims table and the key rules of the "Connect" section of the client protocol.
//
// A token's algorithm has to be the one that fits the key it is checked with: HS256 the
// secret, RS256, ES256 or EdDSA a public key of that kind, given in PEM or by a key server.
package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// MaxToken is the length bound of a token, in bytes.
const MaxToken = 8192

// Config says which tokens are accepted. At least one of Secret, PublicKey and JWKSURL is set;
// with several, a token may be signed with any of them.
type Config struct {
	Secret    Secret        // JWT_SECRET: HS256 key, 32 bytes or more
	PublicKey string        // JWT_PUBLIC_KEY: PEM of an RSA, EC P-256 or Ed25519 key
	JWKSURL   string        // JWT_JWKS_URL: http(s) URL of a JSON Web Key Set
	Issuer    string        // JWT_ISSUER: the iss wanted; any when empty
	Audience  string        // JWT_AUDIENCE: the aud wanted; any when empty
	Leeway    time.Duration // JWT_LEEWAY: how far the clocks of issuer and verifier may differ
	Log       *zap.Logger   // told when the key server is away; may be nil

	Registerer prometheus.Registerer // nil: the metrics of the key server's breaker are not registered
	Role       string                // label of the metrics
}

// Verifier checks tokens. Its fields are static; any number of goroutines may use it.
type Verifier struct {
	parser    *jwt.Parser
	accepted  []string // algorithms
	secret    []byte   // nil when not configured
	public    any      // nil when not configured
	publicAlg string
	jwks      *jwks // nil when not configured
	issuer    string
	audience  string
	leeway    time.Duration
}

// New returns a verifier for cfg. An error names the setting at fault, in one line.
//
// With cfg.JWKSURL, a goroutine keeps the key set up to date until ctx ends; Wait joins it.
// New waits for the first set, three seconds at most: a key server that is away does not fail
// the start, only tokens that need its keys (ErrKeysAway) until it answers.
func New(ctx context.Context, cfg Config) (*Verifier, error) {
	v := &Verifier{issuer: cfg.Issuer, audience: cfg.Audience, leeway: cfg.Leeway}
	if cfg.Secret == "" && cfg.PublicKey == "" && cfg.JWKSURL == "" {
		return nil, errors.New("JWT_SECRET is not set")
	}
	if cfg.Leeway < 0 {
		return nil, fmt.Errorf("JWT_LEEWAY: must not be negative, is %v", cfg.Leeway)
	}
	if cfg.Secret != "" {
		if err := checkSecret(cfg.Secret); err != nil {
			return nil, err
		}
		v.secret = []byte(cfg.Secret)
		v.accepted = append(v.accepted, algHS256)
	}
	var err error
	if cfg.PublicKey != "" {
		if v.public, v.publicAlg, err = parsePublicKey(cfg.PublicKey); err != nil {
			return nil, err
		}
		v.accepted = append(v.accepted, v.publicAlg)
	}
	if cfg.JWKSURL != "" {
		if v.jwks, err = newJWKS(ctx, cfg); err != nil {
			return nil, err
		}
		v.accepted = append(v.accepted, algRS256, algES256, algEdDSA)
	}
	v.parser = jwt.NewParser(
		jwt.WithValidMethods(v.accepted),
		jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation(), // claimSet checks them
	)
	if v.jwks != nil {
		v.jwks.start(ctx)
	}
	return v, nil
}

// Wait returns when what New started has ended, which it does soon after New's ctx.
func (v *Verifier) Wait() {
	if v.jwks != nil {
		<-v.jwks.done
	}
}

// Health is nil while the key server is there, or not needed, and otherwise says why it is not asked. It does not
// block.
func (v *Verifier) Health() error {
	if v.jwks == nil {
		return nil
	}
	return v.jwks.breaker.Health()
}

// Verify returns the claims of token, or one of the Err sentinels, as it is or wrapped: its text is fit to be sent to
// the client. When the token names a key that the key server has not been seen to have, Verify may wait up to two
// seconds for a fresh set, unless that server is known to be away; otherwise it does not block.
func (v *Verifier) Verify(token string) (*Claims, error) {
	if len(token) > MaxToken {
		return nil, ErrTooLong
	}
	if !compact(token) {
		return nil, ErrMalformed
	}
	var set claimSet
	if t, err := v.parser.ParseWithClaims(token, &set, v.key); err != nil {
		return nil, v.explain(t, err)
	}
	return v.claims(&set, time.Now())
}

// claims checks a claim set whose signature was found good.
func (v *Verifier) claims(set *claimSet, now time.Time) (*Claims, error) {
	if set.bad {
		return nil, ErrMalformed
	}
	exp, err := set.checkTime(now, v.leeway)
	if err != nil {
		return nil, err
	}
	if err := set.checkOrigin(v.issuer, v.audience); err != nil {
		return nil, err
	}
	c, err := set.bearer()
	if err != nil {
		return nil, err
	}
	c.ExpiresAt = exp
	return c, nil
}

// errCritical: RFC 7515 section 4.1.11, "If any of the listed extension Header Parameters are
// not understood and supported by the recipient, then the JWS is invalid." We support none.
var errCritical = fmt.Errorf("%w: critical header parameters are not supported", ErrMalformed)

// key returns what may verify t, by the kind of key that its algorithm is for. The parser has
// checked that the algorithm is accepted at all.
func (v *Verifier) key(t *jwt.Token) (any, error) {
	if _, ok := t.Header["crit"]; ok {
		return nil, errCritical
	}
	alg := t.Method.Alg()
	switch {
	case alg == algHS256 && v.secret != nil:
		return v.secret, nil
	case alg == v.publicAlg && (v.jwks == nil || v.signedByPublic(t)):
		return v.public, nil
	case v.jwks != nil && (alg == algRS256 || alg == algES256 || alg == algEdDSA):
		return v.jwks.key(t)
	default:
		return nil, ErrAlgorithm
	}
}

// signedByPublic decides between the public key and a key set that may hold others of its
// kind: a token of the first must not cause the second to be fetched, in search of its key.
func (v *Verifier) signedByPublic(t *jwt.Token) bool {
	signed := t.Raw[:strings.LastIndexByte(t.Raw, '.')]
	return t.Method.Verify(signed, t.Signature, v.public) == nil
}

// explain turns an error of the parser into one for the client.
func (v *Verifier) explain(t *jwt.Token, err error) error {
	for _, ours := range []error{errCritical, ErrAlgorithm, ErrUnknownKey, ErrKeysAway} {
		if errors.Is(err, ours) {
			return ours
		}
	}
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return ErrMalformed
	case t.Method == nil || !slices.Contains(v.accepted, t.Method.Alg()):
		return ErrAlgorithm
	default:
		return ErrSignature
	}
}

// compact reports whether token has only the characters of the compact serialization
// (RFC 7515 section 7.1). The decoder would skip line breaks, and one token could then be
// written in many ways.
func compact(token string) bool {
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
