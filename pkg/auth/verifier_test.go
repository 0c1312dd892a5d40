package auth

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

type obj = map[string]any

// sign returns a token with these claims over the least that is needed; nil takes one away.
func sign(method jwt.SigningMethod, key any, header, claims obj) string {
	all := jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	t := jwt.NewWithClaims(method, all)
	maps.Copy(t.Header, header)
	return must(t.SignedString(key))
}

// signJSON returns an HS256 token of a payload as it is.
func signJSON(payload string) string {
	return signRaw(`{"alg":"HS256"}`, payload)
}

func signRaw(header, payload string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	return signed + "." + b64(must(jwt.SigningMethodHS256.Sign(signed, []byte(testSecret))))
}

func hs(claims obj) string { return sign(jwt.SigningMethodHS256, []byte(testSecret), nil, claims) }

func newVerifier(tb testing.TB, cfg Config) *Verifier {
	tb.Helper()
	v, err := New(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// verify checks that token gives the error wanted, and that no error tells the token.
func verify(t *testing.T, v *Verifier, token string, want error) *Claims {
	t.Helper()
	c, err := v.Verify(token)
	if !errors.Is(err, want) || (err == nil) != (c != nil) {
		t.Errorf("Verify() = %+v, %v, want %v", c, err, want)
	}
	if err != nil {
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 3 && strings.Contains(err.Error(), part) {
				t.Errorf("the error tells the token: %v", err)
			}
		}
	}
	return c
}

func TestForm(t *testing.T) {
	v := newVerifier(t, Config{Secret: testSecret})
	exp := time.Now().Add(time.Hour).Unix()
	good := signJSON(fmt.Sprintf(`{"sub":"alice","exp":%d}`, exp))
	verify(t, v, good, nil)
	part := strings.Split(good, ".")
	tests := []struct {
		name, token string
		want        error
	}{
		{"empty", "", ErrMalformed},
		{"dots", "..", ErrMalformed},
		{"two parts", part[0] + "." + part[1], ErrMalformed},
		{"four parts", good + ".x", ErrMalformed},
		{"five parts", good + ".x.y", ErrMalformed},
		{"no signature", part[0] + "." + part[1] + ".", ErrSignature},
		{"cut signature", good[:len(good)-3], ErrSignature}, // to 30 bytes,
		{"longer signature", good + "AAAA", ErrSignature},
		{"padded", good + "=", ErrMalformed},
		{"line break", good + "\n", ErrMalformed},
		{"line break inside", good[:len(good)-3] + "\r\n" + good[len(good)-3:], ErrMalformed},
		{"space", " " + good, ErrMalformed},
		{"other payload", part[0] + "." + strings.Split(signJSON(`{"sub":"bob","exp":4102444800}`), ".")[1] + "." + part[2], ErrSignature},
		{"oversized", signJSON(fmt.Sprintf(`{"sub":"alice","exp":%d,"x":"%s"}`, exp, strings.Repeat("x", MaxToken))), ErrTooLong},
		{"oversized garbage", strings.Repeat("x", 1<<20), ErrTooLong},
		{"no JSON", signJSON(`{"sub"`), ErrMalformed},
		{"null", signJSON(`null`), ErrNoExpiry},
		{"list", signJSON(`[]`), ErrMalformed},
		{"text", signJSON(`"alice"`), ErrMalformed},
		{"deep", signJSON(strings.Repeat("[", 5000)), ErrMalformed},
		{"not UTF-8", signJSON(fmt.Sprintf("{\"sub\":\"al\xffice\",\"exp\":%d}", exp)), ErrMalformed},
		{"header no JSON", signRaw(`{`, `{}`), ErrMalformed},
		{"header null", signRaw(`null`, `{}`), ErrAlgorithm},
		{"header a list", signRaw(`[]`, `{}`), ErrMalformed},
		{"no alg", signRaw(`{"typ":"JWT"}`, `{}`), ErrAlgorithm},
		{"alg a number", signRaw(`{"alg":256}`, `{}`), ErrAlgorithm},
		{"alg in other case", signRaw(`{"alg":"hs256"}`, `{}`), ErrAlgorithm},
		{"ALG", signRaw(`{"ALG":"HS256"}`, `{}`), ErrAlgorithm},
		{"crit", signRaw(`{"alg":"HS256","crit":["b64"],"b64":false}`, fmt.Sprintf(`{"sub":"alice","exp":%d}`, exp)), ErrMalformed},
		{"sub twice, the last counts", signJSON(fmt.Sprintf(`{"sub":"alice","sub":7,"exp":%d}`, exp)), ErrUser},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { verify(t, v, tt.token, tt.want) })
	}

	// Every change of one character must be noticed: also those in the bits that the last
	// character of a base64 text leaves unused.
	for i := range good {
		for _, c := range []byte("Aa0_.") {
			if other := good[:i] + string(c) + good[i+1:]; other != good {
				if c, err := v.Verify(other); err == nil {
					t.Fatalf("character %d changed: verified as %+v", i, c)
				}
			}
		}
	}
}

func TestAlgorithms(t *testing.T) {
	rsaPEM, ecPEM, edPEM := publicPEM(rsaKey().Public()), publicPEM(ecKey().Public()), publicPEM(edKey().Public())
	tokens := map[string]string{
		"HS256":       hs(nil),
		"HS384":       sign(jwt.SigningMethodHS384, []byte(testSecret), nil, nil),
		"HS512":       sign(jwt.SigningMethodHS512, []byte(testSecret), nil, nil),
		"RS256":       sign(jwt.SigningMethodRS256, rsaKey(), nil, nil),
		"RS384":       sign(jwt.SigningMethodRS384, rsaKey(), nil, nil),
		"PS256":       sign(jwt.SigningMethodPS256, rsaKey(), nil, nil),
		"ES256":       sign(jwt.SigningMethodES256, ecKey(), nil, nil),
		"ES384":       sign(jwt.SigningMethodES384, p384Key(), nil, nil),
		"EdDSA":       sign(jwt.SigningMethodEdDSA, edKey(), nil, nil),
		"HS256 other": sign(jwt.SigningMethodHS256, []byte(testSecret+"x"), nil, nil),
		"RS256 other": sign(jwt.SigningMethodRS256, smallRSA(), nil, nil),
	}
	// The public key as an HMAC secret, in the forms an attacker has it.
	for name, text := range map[string]string{"RSA": rsaPEM, "EC": ecPEM, "Ed25519": edPEM} {
		block, _ := pem.Decode([]byte(text))
		tokens["HS256 by "+name] = sign(jwt.SigningMethodHS256, []byte(text), nil, nil)
		tokens["HS256 by trimmed "+name] = sign(jwt.SigningMethodHS256, bytes.TrimSpace([]byte(text)), nil, nil)
		tokens["HS256 by DER of "+name] = sign(jwt.SigningMethodHS256, block.Bytes, nil, nil)
	}
	tokens["HS256 by Ed25519 bytes"] = sign(jwt.SigningMethodHS256, []byte(edKey().Public().(ed25519.PublicKey)), nil, nil)
	tokens["HS256 by nothing"] = sign(jwt.SigningMethodHS256, []byte{}, nil, nil)
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", ""} {
		unsigned := jwt.New(jwt.SigningMethodNone)
		unsigned.Header["alg"] = alg
		unsigned.Claims = jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
		text := must(unsigned.SigningString())
		tokens["alg "+alg] = text + "."
		tokens["alg "+alg+" with a signature"] = text + hs(nil)[strings.LastIndexByte(hs(nil), '.'):]
	}
	configs := map[string]struct {
		cfg  Config
		good []string            // verify
		bad  map[string]struct{} // have an algorithm that is accepted, and a bad signature
	}{
		"secret":     {Config{Secret: testSecret}, []string{"HS256"}, set("HS256")},
		"RSA":        {Config{PublicKey: rsaPEM}, []string{"RS256"}, set("RS256")},
		"EC":         {Config{PublicKey: ecPEM}, []string{"ES256"}, set("ES256")},
		"Ed25519":    {Config{PublicKey: edPEM}, []string{"EdDSA"}, set("EdDSA")},
		"secret+RSA": {Config{Secret: testSecret, PublicKey: rsaPEM}, []string{"HS256", "RS256"}, set("HS256", "RS256")},
		"secret+EC":  {Config{Secret: testSecret, PublicKey: ecPEM}, []string{"HS256", "ES256"}, set("HS256", "ES256")},
	}
	for name, tt := range configs {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, tt.cfg)
			for kind, token := range tokens {
				want := ErrAlgorithm
				alg, _, _ := strings.Cut(kind, " ")
				if _, accepted := tt.bad[alg]; slices.Contains(tt.good, kind) {
					want = nil
				} else if accepted {
					want = ErrSignature
				}
				t.Run(kind, func(t *testing.T) { verify(t, v, token, want) })
			}
		})
	}
}

func set(names ...string) map[string]struct{} {
	m := make(map[string]struct{})
	for _, name := range names {
		m[name] = struct{}{}
	}
	return m
}

func TestVerifyConcurrently(t *testing.T) {
	v := newVerifier(t, Config{Secret: testSecret, PublicKey: publicPEM(ecKey().Public())})
	good := []string{hs(nil), sign(jwt.SigningMethodES256, ecKey(), nil, nil)}
	bad := hs(nil) + "AAAA"
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				_, err := v.Verify(good[i%2])
				_, none := v.Verify(bad)
				if err != nil || none == nil {
					t.Errorf("good: %v, bad: %v", err, none)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkVerify(b *testing.B) {
	public := newVerifier(b, Config{Secret: testSecret, PublicKey: publicPEM(rsaKey().Public())})
	ec := newVerifier(b, Config{PublicKey: publicPEM(ecKey().Public())})
	ed := newVerifier(b, Config{PublicKey: publicPEM(edKey().Public())})
	full := must(Mint(testSecret, TokenSpec{
		User: "alice", TTL: time.Hour, SessionID: "s-1", Roles: []string{"admin"},
		Topics: &topic.Grants{Publish: []string{"chat.>"}, Subscribe: []string{"chat.>", "alerts.*"}},
	}))
	for _, bb := range []struct {
		name  string
		v     *Verifier
		token string
	}{
		{"HS256", public, must(Mint(testSecret, TokenSpec{User: "alice", TTL: time.Hour}))},
		{"HS256 all claims", public, full},
		{"HS256 bad", public, full + "AAAA"},
		{"RS256", public, sign(jwt.SigningMethodRS256, rsaKey(), nil, nil)},
		{"ES256", ec, sign(jwt.SigningMethodES256, ecKey(), nil, nil)},
		{"EdDSA", ed, sign(jwt.SigningMethodEdDSA, edKey(), nil, nil)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bb.v.Verify(bb.token); (err != nil) != strings.HasSuffix(bb.name, "bad") {
					b.Fatal(err)
				}
			}
		})
	}
}
