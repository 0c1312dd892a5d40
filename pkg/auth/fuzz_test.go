package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// FuzzVerify: of all texts only the one that was minted verifies.
func FuzzVerify(f *testing.F) {
	good := must(Mint(testSecret, TokenSpec{User: "alice", TTL: 1000 * time.Hour}))
	rs := sign(jwt.SigningMethodRS256, rsaKey(), nil, nil)
	v := newVerifier(f, Config{Secret: testSecret, PublicKey: publicPEM(rsaKey().Public())})
	for _, token := range []string{good, rs, good + "\n", signRaw(`{"alg":"none"}`, `{"sub":"a","exp":9e9}`), "..", "a.b.c", ""} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		c, err := v.Verify(token)
		if (err == nil) != (c != nil) {
			t.Fatalf("Verify() = %v, %v", c, err)
		}
		if err == nil && token != good && token != rs && !signedByUs(token) {
			t.Fatalf("%q verifies as %+v", token, c)
		}
	})
}

// signedByUs is for corpus entries that another run's good token left behind: it checks the
// HMAC by hand, apart from the code under test.
func signedByUs(token string) bool {
	signed, sig := token[:strings.LastIndexByte(token, '.')], token[strings.LastIndexByte(token, '.')+1:]
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(signed))
	return sig == base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// FuzzClaims: whatever an issuer signs, what verifies keeps the contract.
func FuzzClaims(f *testing.F) {
	v := newVerifier(f, Config{Secret: testSecret})
	for _, payload := range []string{
		`{"sub":"alice","exp":9e9}`,
		`{"user_id":"bob","exp":9000000000.5,"nbf":0,"iat":1,"roles":["a"],"permissions":[],"session_id":"s"}`,
		`{"sub":"a","exp":9e9,"topics":{"publish":["a.>"],"subscribe":[]}}`,
		`{"sub":"a","exp":9e9,"jti":"id","family":"f","auth_time":1.5,"serial":0,"access_ttl":60}`,
		`{"sub":"\ud800","exp":9e9,"aud":["a"],"iss":7}`,
		`null`, `[]`, `{"exp":1e999}`, `{"topics":null}`,
	} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := v.Verify(signJSON(payload))
		if err != nil {
			return
		}
		if ValidateUser(c.User) != nil || !printable(c.SessionID) || !printable(c.ID) || !printable(c.Family) ||
			max(len(c.Roles), len(c.Permissions)) > maxList || c.Topics.Validate() != nil || !c.ExpiresAt.After(time.Now()) {
			t.Fatalf("%q verifies as %+v", payload, c)
		}
		var plain map[string]any
		if err := json.Unmarshal([]byte(payload), &plain); err != nil {
			t.Fatalf("%q verifies and is no JSON: %v", payload, err)
		}
		if plain["sub"] != c.User && plain["user_id"] != c.User {
			t.Fatalf("%q verifies as %q", payload, c.User)
		}
	})
}

// FuzzRefresh: whatever is given for a refresh token, and whatever one of ours says, it is refused, or the pair is as
// good.
func FuzzRefresh(f *testing.F) {
	r, err := NewRefresher(RefreshConfig{
		Secret: testSecret, TTL: time.Hour, Families: anyTurn{}, Revoked: func(string, string, string, time.Time) error { return nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	v := newVerifier(f, Config{Secret: testSecret})
	key := must(refreshKey(testSecret))
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"refresh+jwt"}`))
	for _, payload := range []string{
		`{"sub":"a","exp":9e9,"family":"f","auth_time":1.5,"serial":0,"access_ttl":60}`,
		`{"sub":"a","exp":9e9,"family":"f","auth_time":1,"serial":9007199254740991,"access_ttl":0.001,"roles":["r"]}`,
		`{"sub":"a","exp":253402300799,"family":"f","auth_time":1,"serial":1,"access_ttl":253402300799}`, `{}`, `null`,
	} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		if _, err := r.Refresh(t.Context(), payload); err == nil {
			t.Fatalf("%q is taken for a refresh token", payload)
		}
		signed := header + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		token := signed + "." + base64.RawURLEncoding.EncodeToString(must(jwt.SigningMethodHS256.Sign(signed, key)))
		if _, err := v.Verify(token); err == nil {
			t.Fatalf("%q is taken for an access token", payload)
		}
		pair, err := r.Refresh(t.Context(), token)
		if err != nil {
			return
		}
		if pair.ExpiresIn < time.Second {
			return // it may have ended by now
		}
		if c, err := v.Verify(pair.Access.Reveal()); err != nil || c.Family == "" || c.SignedInAt.IsZero() {
			t.Fatalf("%q gives %+v, %v", payload, c, err)
		}
		if _, err := r.Refresh(t.Context(), pair.Refresh.Reveal()); err != nil {
			t.Fatalf("%q gives a refresh token that is refused: %v", payload, err)
		}
	})
}

// anyTurn is Families in which each token's turn has come.
type anyTurn struct{}

func (anyTurn) Use(context.Context, string, string, int64, time.Duration, time.Duration) (bool, error) {
	return true, nil
}
