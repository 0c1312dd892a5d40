package auth

import (
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
		if ValidateUser(c.User) != nil || !printable(c.SessionID) || c.Topics.Validate() != nil || !c.ExpiresAt.After(time.Now()) {
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
