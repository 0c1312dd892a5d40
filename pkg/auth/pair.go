package auth

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// Pair is an access token and the refresh token that gets the next pair, once.
type Pair struct {
	Access    Secret
	Refresh   Secret
	ExpiresIn time.Duration // life of the access token, from when it was minted
	Family    string        // of all pairs that come from the same first one
}

// Response is the pair as the client protocol has it, tokens and all: a line of JSON.
func (p Pair) Response() []byte {
	text, _ := json.Marshal(struct { // strings and a number: it cannot fail
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ExpiresIn    int64  `json:"expires_in"`
		TokenType    string `json:"token_type"`
	}{p.Access.Reveal(), p.Refresh.Reveal(), int64(p.ExpiresIn / time.Second), "Bearer"})
	return append(text, '\n')
}

// refreshType is the typ of a refresh token.
const refreshType = "refresh+jwt"

// refreshKey is what refresh tokens are signed with. It is derived from the secret, RFC 5869, so that nothing that
// checks access tokens can take a refresh token for one, nor the other way about, whatever it makes of the claims.
func refreshKey(secret Secret) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "realtime refresh token", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive key of refresh tokens: %w", err)
	}
	return key, nil
}

// MintPair returns the first pair of a new family: an access token for spec, and a refresh token that can be used for
// refreshTTL to get the next pair, of tokens with the same claims and lives. It fails where Mint does.
func MintPair(secret Secret, spec TokenSpec, refreshTTL time.Duration) (Pair, error) {
	if spec.Now.IsZero() {
		spec.Now = time.Now()
	}
	if refreshTTL < spec.TTL {
		return Pair{}, fmt.Errorf("life of the refresh token, %v, is less than the access token's, %v", refreshTTL, spec.TTL)
	}
	return mintPair(secret, spec, lineage{family: newID(), signedIn: spec.Now}, refreshTTL)
}

// lineage is a refresh token's place among others.
type lineage struct {
	family   string
	serial   int64
	signedIn time.Time // when the family began
}

func mintPair(secret Secret, spec TokenSpec, l lineage, refreshTTL time.Duration) (Pair, error) {
	spec.ID = ""
	access, err := spec.claims(secret)
	if err != nil {
		return Pair{}, err
	}
	access.Family, access.SignedInAt = l.family, seconds(l.signedIn)
	refresh := *access
	refresh.ID = ""
	refresh.ExpiresAt = seconds(spec.Now.Add(refreshTTL))
	refresh.Serial, refresh.AccessTTL = &l.serial, spec.TTL.Seconds()

	pair := Pair{ExpiresIn: spec.TTL, Family: l.family}
	token, err := access.sign("JWT", []byte(secret))
	if err != nil {
		return Pair{}, err
	}
	pair.Access = Secret(token)
	key, err := refreshKey(secret)
	if err != nil {
		return Pair{}, err
	}
	if token, err = refresh.sign(refreshType, key); err != nil {
		return Pair{}, fmt.Errorf("refresh token: %w", err)
	}
	pair.Refresh = Secret(token)
	return pair, nil
}
