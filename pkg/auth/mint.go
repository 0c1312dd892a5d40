package auth

import (
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
	Now         time.Time // when the token begins; time.Now when zero
}

// minted is a token's claims, in the order in which people like to read them.
type minted struct {
	jwt.RegisteredClaims `json:"-"` // for the interface jwt.Claims only

	Subject     string        `json:"sub"`
	Issuer      string        `json:"iss,omitempty"`
	Audience    string        `json:"aud,omitempty"`
	IssuedAt    int64         `json:"iat"`
	ExpiresAt   float64       `json:"exp"`
	SessionID   string        `json:"session_id,omitempty"`
	Roles       []string      `json:"roles,omitempty"`
	Permissions []string      `json:"permissions,omitempty"`
	Topics      *topic.Grants `json:"topics,omitempty"`
}

// Mint returns a token for spec, signed with secret by HS256. It fails when a Verifier with
// this secret would not accept the token between spec.Now and its end.
func Mint(secret Secret, spec TokenSpec) (string, error) {
	if secret == "" {
		return "", errors.New("JWT_SECRET is not set")
	}
	if err := checkSecret(secret); err != nil {
		return "", err
	}
	if err := ValidateUser(spec.User); err != nil {
		return "", err
	}
	if !printable(spec.SessionID) {
		return "", ErrSession
	}
	if err := spec.Topics.Validate(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrGrants, err)
	}
	if spec.TTL < time.Millisecond {
		return "", fmt.Errorf("token life must be positive, is %v", spec.TTL)
	}
	now := spec.Now
	if now.IsZero() {
		now = time.Now()
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, minted{
		Subject:     spec.User,
		Issuer:      spec.Issuer,
		Audience:    spec.Audience,
		IssuedAt:    now.Unix(), // whole seconds: a rounded fraction could lie ahead of now
		ExpiresAt:   float64(now.Add(spec.TTL).UnixMilli()) / 1000,
		SessionID:   spec.SessionID,
		Roles:       spec.Roles,
		Permissions: spec.Permissions,
		Topics:      spec.Topics,
	}).SignedString([]byte(secret))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(token) > MaxToken {
		return "", ErrTooLong
	}
	return token, nil
}
