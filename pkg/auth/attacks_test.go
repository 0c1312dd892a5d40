package auth

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// es256 is the ES256 token of a payload that says who and until when, with the signature that change makes of r and s.
func es256(header string, change func(r, s *big.Int) []byte) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(header)) + "." + b64(fmt.Appendf(nil, `{"sub":"alice","jti":"id-1","exp":%d}`, time.Now().Add(time.Hour).Unix()))
	sig := must(jwt.SigningMethodES256.Sign(signed, ecKey()))
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	return signed + "." + b64(change(r, s))
}

// raw is a signature as RFC 7518 section 3.4 has it.
func raw(r, s *big.Int) []byte {
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// TestAttacks is what is known to have let attackers in elsewhere: RFC 8725, and what came after. Each token is given
// to verifiers of every kind of key, a secret and a key server together.
func TestAttacks(t *testing.T) {
	var lured atomic.Int32 // requests that a token's header led to
	lure := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		lured.Add(1)
		_ = json.NewEncoder(w).Encode(jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{jwk(edKey().Public(), jwkset.JWKMetadataOptions{KID: "theirs"}, false)}})
	}))
	t.Cleanup(lure.Close)
	s := newKeyServer(t,
		jwk(rsaKey().Public(), jwkset.JWKMetadataOptions{KID: "rsa"}, false),
		jwk(ecKey().Public(), jwkset.JWKMetadataOptions{KID: "ec"}, false))
	cfg := Config{Secret: testSecret, JWKSURL: s.URL, Issuer: "", Audience: ""}
	all := newJWKSVerifier(t, cfg)
	cfg.Issuer, cfg.Audience = "iss", "rt"
	strict := newJWKSVerifier(t, cfg)
	plain := newVerifier(t, Config{PublicKey: publicPEM(rsaKey().Public())})
	verifiers := map[string]*Verifier{"all": all, "strict": strict, "public": plain}

	rs, es, ed, hmac := jwt.SigningMethodRS256, jwt.SigningMethodES256, jwt.SigningMethodEdDSA, jwt.SigningMethodHS256
	block, _ := pem.Decode([]byte(publicPEM(rsaKey().Public())))
	published := must(json.Marshal(jwk(rsaKey().Public(), jwkset.JWKMetadataOptions{KID: "rsa"}, false)))
	exp := time.Now().Add(time.Hour).Unix()
	claims := fmt.Sprintf(`{"sub":"alice","exp":%d}`, exp)
	encoded := base64.RawURLEncoding.EncodeToString
	unsigned := func(alg string) string {
		return encoded(fmt.Appendf(nil, `{"alg":%q,"typ":"JWT"}`, alg)) + "." + encoded([]byte(claims)) + "."
	}
	good := hs(nil)
	cut := strings.LastIndexByte(good, '.')
	pair := must(MintPair(testSecret, TokenSpec{User: "alice", TTL: time.Minute}, time.Hour))
	nested := func(depth int) json.RawMessage {
		return json.RawMessage(strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth))
	}

	type attack struct {
		name, token string
		want        error
		by          string // which verifier; all when empty
	}
	attacks := []attack{
		{name: "public key PEM as the secret", token: sign(hmac, []byte(publicPEM(rsaKey().Public())), kid("rsa"), nil), want: ErrSignature},
		{name: "the same, where there is no secret", token: sign(hmac, []byte(publicPEM(rsaKey().Public())), nil, nil), want: ErrAlgorithm, by: "public"},
		{name: "public key DER as the secret", token: sign(hmac, block.Bytes, nil, nil), want: ErrAlgorithm, by: "public"},
		{name: "public key PKCS #1 as the secret", token: sign(hmac, x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey), nil, nil), want: ErrAlgorithm, by: "public"},
		{name: "published JWK as the secret", token: sign(hmac, published, kid("rsa"), nil), want: ErrSignature},
		{name: "empty secret", token: sign(hmac, []byte{}, nil, nil), want: ErrSignature},
		{name: "zero secret", token: sign(hmac, make([]byte, 32), nil, nil), want: ErrSignature},
		{name: "RS256 header, HMAC by the secret", token: strings.Join([]string{encoded([]byte(`{"alg":"RS256"}`)), strings.Split(good, ".")[1], good[cut+1:]}, "."), want: ErrSignature, by: "public"},
		{name: "RSA key, PSS padding", token: sign(jwt.SigningMethodPS256, rsaKey(), kid("rsa"), nil), want: ErrAlgorithm},
		{name: "EC key named, RSA signature", token: sign(rs, rsaKey(), kid("ec"), nil), want: ErrAlgorithm},

		{name: "expired", token: hs(obj{"exp": time.Now().Add(-time.Second).Unix()}), want: ErrExpired},
		{name: "no exp", token: hs(obj{"exp": nil}), want: ErrNoExpiry},
		{name: "exp in text", token: hs(obj{"exp": "9999999999"}), want: ErrMalformed},
		{name: "not valid yet", token: hs(obj{"nbf": time.Now().Add(time.Minute).Unix()}), want: ErrNotYetValid},
		{name: "issued in the future", token: hs(obj{"iat": time.Now().Add(time.Minute).Unix()}), want: ErrNotYetValid},
		{name: "wrong issuer", token: hs(obj{"iss": "them", "aud": "rt"}), want: ErrIssuer, by: "strict"},
		{name: "issuer as a prefix", token: hs(obj{"iss": "iss.evil.example", "aud": "rt"}), want: ErrIssuer, by: "strict"},
		{name: "wrong audience", token: hs(obj{"iss": "iss", "aud": "them"}), want: ErrAudience, by: "strict"},
		{name: "no audience", token: hs(obj{"iss": "iss"}), want: ErrAudience, by: "strict"},
		{name: "right issuer and audience", token: hs(obj{"iss": "iss", "aud": "rt"}), by: "strict"},

		{name: "9 KB of token", token: hs(obj{"x": strings.Repeat("x", 9000)}), want: ErrTooLong},
		{name: "user of 129 bytes", token: hs(obj{"sub": strings.Repeat("a", 129)}), want: ErrUser},
		{name: "257 roles", token: hs(obj{"roles": make([]string, 257)}), want: ErrMalformed},
		{name: "roles in roles", token: hs(obj{"roles": []any{[]string{"admin"}}}), want: ErrMalformed},
		{name: "session of 129 bytes", token: hs(obj{"session_id": strings.Repeat("s", 129)}), want: ErrSession},
		{name: "jti of 129 bytes", token: hs(obj{"jti": strings.Repeat("j", 129)}), want: ErrMalformed},
		{name: "deep claim that is not used", token: hs(obj{"x": nested(1000)})},
		{name: "deep claim that is used", token: hs(obj{"roles": nested(1000)}), want: ErrMalformed},
		{name: "deep topics", token: hs(obj{"topics": nested(1000)}), want: ErrGrants},
		{name: "number of a thousand digits", token: hs(obj{"exp": json.RawMessage(strings.Repeat("9", 1000))}), want: ErrMalformed},
		{name: "user in other characters", token: hs(obj{"sub": "ali\u0000ce"}), want: ErrUser},

		{name: "kid empty", token: sign(rs, rsaKey(), kid(""), nil), want: ErrUnknownKey},
		{name: "kid of 7 KB", token: sign(rs, rsaKey(), kid(strings.Repeat("k", 5000)), nil), want: ErrUnknownKey},
		{name: "kid a path", token: sign(hmac, []byte{}, kid("../../../../dev/null"), nil), want: ErrSignature},
		{name: "kid a path, RS256", token: sign(rs, rsaKey(), kid("../../../../dev/null"), nil), want: ErrUnknownKey},
		{name: "kid SQL", token: sign(rs, rsaKey(), kid(`' UNION SELECT 'key' -- `), nil), want: ErrUnknownKey},
		{name: "kid a command", token: sign(rs, rsaKey(), kid("rsa; curl evil.example"), nil), want: ErrUnknownKey},
		{name: "kid a list", token: sign(rs, rsaKey(), obj{"kid": []string{"rsa"}}, nil), want: ErrAlgorithm},
		{name: "kid an object", token: sign(rs, rsaKey(), obj{"kid": obj{"a": 1}}, nil), want: ErrAlgorithm},

		{name: "jku", token: sign(ed, edKey(), obj{"jku": lure.URL, "kid": "theirs"}, nil), want: ErrUnknownKey},
		{name: "x5u", token: sign(ed, edKey(), obj{"x5u": lure.URL, "kid": "theirs"}, nil), want: ErrUnknownKey},
		{name: "jwk", token: sign(ed, edKey(), obj{"jwk": jwk(edKey().Public(), jwkset.JWKMetadataOptions{}, false)}, nil), want: ErrSignature},
		{name: "jwk, where the key is known", token: sign(ed, edKey(), obj{"jwk": jwk(edKey().Public(), jwkset.JWKMetadataOptions{}, false), "kid": "ec"}, nil), want: ErrAlgorithm},
		{name: "x5c", token: sign(ed, edKey(), obj{"x5c": []string{"AAAA"}}, nil), want: ErrSignature},
		{name: "jku of a good token", token: sign(hmac, []byte(testSecret), obj{"jku": lure.URL, "x5u": lure.URL}, nil)},
		{name: "crit", token: sign(hmac, []byte(testSecret), obj{"crit": []string{"exp"}}, nil), want: ErrMalformed},
		{name: "crit, empty", token: sign(hmac, []byte(testSecret), obj{"crit": []string{}}, nil), want: ErrMalformed},
		{name: "payload not encoded", token: sign(hmac, []byte(testSecret), obj{"b64": false, "crit": []string{"b64"}}, nil), want: ErrMalformed},

		{name: "sub twice", token: signJSON(fmt.Sprintf(`{"sub":"alice","exp":%d,"sub":7}`, exp)), want: ErrUser},
		{name: "exp twice", token: signJSON(fmt.Sprintf(`{"sub":"alice","exp":%d,"exp":1}`, exp)), want: ErrExpired},
		{name: "alg twice, the last none", token: signRaw(`{"alg":"HS256","alg":"none"}`, claims), want: ErrAlgorithm},
		{name: "ALG beside alg", token: signRaw(`{"alg":"none","ALG":"HS256"}`, claims), want: ErrAlgorithm},

		{name: "signature stripped", token: good[:cut+1], want: ErrSignature},
		{name: "signature and its dot stripped", token: good[:cut], want: ErrMalformed},
		{name: "signature truncated", token: good[:cut+13], want: ErrSignature},
		{name: "signature of another token", token: good[:cut] + hs(obj{"sub": "bob"})[strings.LastIndexByte(hs(obj{"sub": "bob"}), '.'):], want: ErrSignature},
		{name: "JSON serialization", token: `{"payload":"` + strings.Split(good, ".")[1] + `"}`, want: ErrMalformed},
		{name: "encrypted", token: good + ".AAAA.AAAA", want: ErrMalformed},

		{name: "ES256", token: es256(`{"alg":"ES256","kid":"ec"}`, raw)},
		{name: "ES256 with both zero", token: es256(`{"alg":"ES256","kid":"ec"}`, func(_, _ *big.Int) []byte { return make([]byte, 64) }), want: ErrSignature},
		{name: "ES256 with s of the order", token: es256(`{"alg":"ES256","kid":"ec"}`, func(r, _ *big.Int) []byte { return raw(r, elliptic.P256().Params().N) }), want: ErrSignature},
		{name: "ES256 in DER", token: es256(`{"alg":"ES256","kid":"ec"}`, func(r, s *big.Int) []byte { return must(asn1.Marshal(struct{ R, S *big.Int }{r, s})) }), want: ErrSignature},
		{name: "ES256 with zeros before", token: es256(`{"alg":"ES256","kid":"ec"}`, func(r, s *big.Int) []byte {
			return append(r.FillBytes(make([]byte, 33)), s.FillBytes(make([]byte, 33))...)
		}), want: ErrSignature},
		{name: "ES256 of other r and s", token: es256(`{"alg":"ES256","kid":"ec"}`, func(r, s *big.Int) []byte { return raw(s, r) }), want: ErrSignature},

		{name: "refresh token as an access token", token: pair.Refresh.Reveal(), want: ErrSignature},
		{name: "the access token itself", token: pair.Access.Reveal()},
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "HS256 ", "hs256"} {
		attacks = append(attacks,
			attack{name: "alg " + alg, token: unsigned(alg), want: ErrAlgorithm},
			attack{name: "alg " + alg + ", signed by somebody", token: unsigned(alg) + good[cut+1:], want: ErrAlgorithm},
			attack{name: "alg " + alg + ", where there is no secret", token: unsigned(alg), want: ErrAlgorithm, by: "public"})
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			if a.by == "" {
				a.by = "all"
			}
			verify(t, verifiers[a.by], a.token, a.want)
		})
	}
	if n := lured.Load(); n != 0 {
		t.Errorf("%d requests to an address in a token's header", n)
	}
	if n := s.hits.Load(); n != 2 {
		t.Errorf("%d fetches for two verifiers: tokens made the server busy", n)
	}

	t.Run("ES256 with the other s", func(t *testing.T) {
		// Whoever has a token can write it in a second way, whose signature is as good: RFC 7518 knows no canonical
		// one. It is the same token by its ID, so a revocation finds both.
		c := verify(t, all, es256(`{"alg":"ES256","kid":"ec"}`, func(r, s *big.Int) []byte {
			return raw(r, s.Sub(elliptic.P256().Params().N, s))
		}), nil)
		if c == nil || c.ID != "id-1" {
			t.Errorf("claims %+v", c)
		}
	})
	t.Run("short keys", func(t *testing.T) {
		for _, cfg := range []Config{{Secret: "0123456789abcdef0123456789abcde"}, {PublicKey: publicPEM(smallRSA().Public())}} {
			if _, err := New(t.Context(), cfg); err == nil {
				t.Errorf("%+v is accepted", cfg)
			}
		}
	})
	t.Run("refresh tokens", func(t *testing.T) {
		r := newRefresher(t, nil)
		refresh(t, r, pair.Access, ErrSignature)
		refresh(t, r, Secret(good), ErrSignature)
		refresh(t, r, Secret(sign(es, ecKey(), obj{"typ": refreshType}, nil)), ErrAlgorithm)
		refresh(t, r, Secret(sign(hmac, []byte(testSecret), obj{"typ": refreshType}, obj{"family": "f", "serial": 0, "access_ttl": 60, "auth_time": 1})), ErrSignature)
		next := refresh(t, r, pair.Refresh, nil)
		refresh(t, r, pair.Refresh, ErrRefreshUsed)
		refresh(t, r, next.Refresh, ErrRefreshUsed)
		if _, err := all.Verify(next.Refresh.Reveal()); !errors.Is(err, ErrSignature) {
			t.Errorf("the next refresh token as an access token: %v", err)
		}
	})
}
