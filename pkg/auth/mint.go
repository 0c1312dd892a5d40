package auth

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

// TokenSpec is what Mint puts into a token. Empty fields leave their claim out.
type TokenSpec struct {
	User        string // required; valid by ValidateUser
	Issuer      string
	Audience    string
	SessionID   string
	TTL         time.Duration // required; the token's life from Now, kept to the millisecond
	Roles       []string
	Permissions []string
	Topics      *topic.Grants
	ID          string    // claim jti; a random one when empty
	Now         time.Time // when the token begins, kept to the millisecond; time.Now when zero
}

// minted is a token's claims, in the order in which people like to read them.
type minted struct {
	jwt.RegisteredClaims `json:"-"` // for the interface jwt.Claims only

	Subject     string        `json:"sub"`
	Issuer      string        `json:"iss,omitempty"`
	Audience    string        `json:"aud,omitempty"`
	IssuedAt    float64       `json:"iat"`
	ExpiresAt   float64       `json:"exp"`
	ID          string        `json:"jti,omitempty"`
	SessionID   string        `json:"session_id,omitempty"`
	Roles       []string      `json:"roles,omitempty"`
	Permissions []string      `json:"permissions,omitempty"`
	Topics      *topic.Grants `json:"topics,omitempty"`

	// Of the tokens of a pair.
	Family     string  `json:"family,omitempty"`
	SignedInAt float64 `json:"auth_time,omitempty"`

	// Of a refresh token.
	Serial    *int64  `json:"serial,omitempty"`     // which of its family it is, from 0
	AccessTTL float64 `json:"access_ttl,omitempty"` // seconds
}

// Mint returns a token for spec, signed with secret by HS256. It fails when a Verifier with
// this secret would not accept the token between spec.Now and its end.
func Mint(secret Secret, spec TokenSpec) (string, error) {
	claims, err := spec.claims(secret)
	if err != nil {
		return "", err
	}
	return claims.sign("JWT", []byte(secret))
}

// claims are those of an access token, checked.
func (spec *TokenSpec) claims(secret Secret) (*minted, error) {
	if secret == "" {
		return nil, errors.New("JWT_SECRET is not set")
	}
	if err := checkSecret(secret); err != nil {
		return nil, err
	}
	if err := spec.check(); err != nil {
		return nil, err
	}
	now := spec.Now
	if now.IsZero() {
		now = time.Now()
	}
	return &minted{
		Subject:     spec.User,
		Issuer:      spec.Issuer,
		Audience:    spec.Audience,
		IssuedAt:    seconds(now), // rounded down: it does not lie ahead of now
		ExpiresAt:   seconds(now.Add(spec.TTL)),
		ID:          cmp.Or(spec.ID, newID()),
		SessionID:   spec.SessionID,
		Roles:       spec.Roles,
		Permissions: spec.Permissions,
		Topics:      spec.Topics,
	}, nil
}

func (spec *TokenSpec) check() error {
	if err := ValidateUser(spec.User); err != nil {
		return err
	}
	if !printable(spec.SessionID) {
		return ErrSession
	}
	if !printable(spec.ID) {
		return fmt.Errorf("%w: jti", ErrMalformed)
	}
	if max(len(spec.Roles), len(spec.Permissions)) > maxList {
		return fmt.Errorf("more than %d roles or permissions", maxList)
	}
	if err := spec.Topics.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrGrants, err)
	}
	if spec.TTL < time.Millisecond {
		return fmt.Errorf("token life must be positive, is %v", spec.TTL)
	}
	return nil
}

// sign returns the token with a type, RFC 7515 section 4.1.9.
func (m *minted) sign(typ string, key []byte) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, m)
	t.Header["typ"] = typ
	token, err := t.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(token) > MaxToken {
		return "", ErrTooLong
	}
	return token, nil
}

// seconds is a NumericDate to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// newID is a name that nobody can guess and that no two have: 128 random bits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
