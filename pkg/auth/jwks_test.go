package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// jwk returns a key in its JSON form.
func jwk(key any, meta jwkset.JWKMetadataOptions, private bool) jwkset.JWKMarshal {
	return must(jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
		Metadata: meta, Marshal: jwkset.JWKMarshalOptions{Private: private},
	})).Marshal()
}

// keyServer serves a key set that can be changed. hits counts the requests.
type keyServer struct {
	*httptest.Server
	set  atomic.Pointer[[]byte]
	hits atomic.Int32
}

func (s *keyServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.hits.Add(1)
	body := s.set.Load()
	if body == nil {
		http.Error(w, "no keys", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write(*body)
}

func (s *keyServer) serve(keys ...jwkset.JWKMarshal) {
	body := must(json.Marshal(jwkset.JWKSMarshal{Keys: keys}))
	s.set.Store(&body)
}

func newKeyServer(t *testing.T, keys ...jwkset.JWKMarshal) *keyServer {
	s := new(keyServer)
	s.serve(keys...)
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// newJWKSVerifier ends and joins what the verifier started before the test ends.
func newJWKSVerifier(t *testing.T, cfg Config) *Verifier {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	v, err := New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); v.Wait() })
	return v
}

func kid(name string) obj { return obj{"kid": name} }

func TestJWKS(t *testing.T) {
	otherEC := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	octet := jwk([]byte(testSecret), jwkset.JWKMetadataOptions{KID: "octet"}, true)
	s := newKeyServer(t,
		octet,
		jwk(p384Key().Public(), jwkset.JWKMetadataOptions{KID: "p384"}, false),
		jwk(rsaKey().Public(), jwkset.JWKMetadataOptions{KID: "rsa", ALG: jwkset.AlgRS256, USE: jwkset.UseSig}, false),
		jwk(rsaKey().Public(), jwkset.JWKMetadataOptions{KID: "enc", USE: jwkset.UseEnc}, false),
		jwk(rsaKey().Public(), jwkset.JWKMetadataOptions{KID: "ps", ALG: jwkset.AlgPS256}, false),
		jwk(otherEC.Public(), jwkset.JWKMetadataOptions{KID: "signs", KEYOPS: []jwkset.KEYOPS{jwkset.KeyOpsSign}}, false),
		jwk(ecKey(), jwkset.JWKMetadataOptions{KID: "ec"}, true), // published with its private half
		jwk(edKey().Public(), jwkset.JWKMetadataOptions{KID: "ed"}, false),
	)
	v := newJWKSVerifier(t, Config{Secret: testSecret, JWKSURL: s.URL})
	rs, es, ed := jwt.SigningMethodRS256, jwt.SigningMethodES256, jwt.SigningMethodEdDSA
	tests := []struct {
		name, token string
		want        error
	}{
		{"RSA", sign(rs, rsaKey(), kid("rsa"), nil), nil},
		{"EC", sign(es, ecKey(), kid("ec"), nil), nil},
		{"Ed25519", sign(ed, edKey(), kid("ed"), nil), nil},
		{"RSA, no kid", sign(rs, rsaKey(), nil, nil), nil},
		{"EC, no kid", sign(es, ecKey(), nil, nil), nil},
		{"Ed25519, no kid", sign(ed, edKey(), nil, nil), nil},
		{"the secret", hs(nil), nil},
		{"the secret, with a kid", sign(jwt.SigningMethodHS256, []byte(testSecret), kid("rsa"), nil), nil},

		{"EC token, RSA key", sign(es, ecKey(), kid("rsa"), nil), ErrAlgorithm},
		{"EdDSA token, EC key", sign(ed, edKey(), kid("ec"), nil), ErrAlgorithm},
		{"PS256", sign(jwt.SigningMethodPS256, rsaKey(), kid("ps"), nil), ErrAlgorithm},
		{"ES384", sign(jwt.SigningMethodES384, p384Key(), kid("p384"), nil), ErrAlgorithm},
		{"other EC key", sign(es, otherEC, kid("ec"), nil), ErrSignature},
		{"other EC key, no kid", sign(es, otherEC, nil, nil), ErrSignature},
		{"kid a number", sign(rs, rsaKey(), obj{"kid": 7}, nil), ErrAlgorithm},
		{"public key as secret", sign(jwt.SigningMethodHS256, []byte(publicPEM(rsaKey().Public())), kid("rsa"), nil), ErrSignature},

		{"unknown kid", sign(rs, rsaKey(), kid("none"), nil), ErrUnknownKey},
		{"key for encryption", sign(rs, rsaKey(), kid("enc"), nil), ErrUnknownKey},
		{"key for PS256", sign(rs, rsaKey(), kid("ps"), nil), ErrUnknownKey},
		{"key that may not verify", sign(es, otherEC, kid("signs"), nil), ErrUnknownKey},
		{"key on another curve", sign(es, ecKey(), kid("p384"), nil), ErrUnknownKey},
		{"secret of the set", sign(rs, rsaKey(), kid("octet"), nil), ErrUnknownKey},
		{"expired", sign(rs, rsaKey(), kid("rsa"), obj{"exp": 1}), ErrExpired},
	}
	start := time.Now()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { verify(t, v, tt.token, tt.want) })
	}
	// The set is fresh: asking for unknown keys again and again costs no fetch and no wait.
	if hits, took := s.hits.Load(), time.Since(start); hits != 1 || took > askWait {
		t.Errorf("%d fetches, %v", hits, took)
	}
}

// With only a key set, a symmetric token is refused for its algorithm, even where the set
// has a symmetric key, which by then is no secret.
func TestJWKSOnly(t *testing.T) {
	s := newKeyServer(t, jwk([]byte(testSecret), jwkset.JWKMetadataOptions{KID: "octet"}, true))
	v := newJWKSVerifier(t, Config{JWKSURL: s.URL})
	verify(t, v, sign(jwt.SigningMethodHS256, []byte(testSecret), kid("octet"), nil), ErrAlgorithm)
	verify(t, v, sign(jwt.SigningMethodHS256, []byte{}, nil, nil), ErrAlgorithm)
	verify(t, v, sign(jwt.SigningMethodRS256, rsaKey(), nil, nil), ErrUnknownKey)
}

// A public key and a key set of the same kind: tokens of either verify, and those of the
// first do not have the second searched.
func TestJWKSBesidePublicKey(t *testing.T) {
	otherEC := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	s := newKeyServer(t, jwk(otherEC.Public(), jwkset.JWKMetadataOptions{KID: "other"}, false))
	v := newJWKSVerifier(t, Config{JWKSURL: s.URL, PublicKey: publicPEM(ecKey().Public())})
	es := jwt.SigningMethodES256
	verify(t, v, sign(es, ecKey(), kid("mine"), nil), nil)
	verify(t, v, sign(es, ecKey(), nil, nil), nil)
	verify(t, v, sign(es, otherEC, kid("other"), nil), nil)
	verify(t, v, sign(es, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), kid("other"), nil), ErrSignature)
	verify(t, v, sign(jwt.SigningMethodEdDSA, edKey(), kid("other"), nil), ErrAlgorithm)
}

func TestJWKSAwayAtStart(t *testing.T) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zap.WarnLevel)
	start := time.Now()
	v := newJWKSVerifier(t, Config{JWKSURL: "http://user:pass@" + addr + "/keys", Log: zap.New(core)})
	if took := time.Since(start); took > time.Second {
		t.Errorf("New took %v with nobody at the port", took)
	}
	named := sign(jwt.SigningMethodES256, ecKey(), kid("ec"), nil)
	nameless := sign(jwt.SigningMethodES256, ecKey(), nil, nil)
	verify(t, v, named, ErrKeysAway)
	verify(t, v, nameless, ErrKeysAway)

	s := new(keyServer)
	s.serve(jwk(ecKey().Public(), jwkset.JWKMetadataOptions{KID: "ec"}, false))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: s}}
	s.Start()
	t.Cleanup(s.Close)
	eventually(t, v, named, nil)
	verify(t, v, nameless, nil)
	if logged.Len() == 0 || strings.Contains(logged.All()[0].ContextMap()["error"].(string), "pass") {
		t.Errorf("logged %+v", logged.All())
	}
}

// A key server that takes the connection and never answers delays the start, within bounds.
func TestJWKSHangs(t *testing.T) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = l.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	start := time.Now()
	v, err := New(ctx, Config{JWKSURL: "http://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < startWait || took > startWait+time.Second {
		t.Errorf("New took %v, want %v", took, startWait)
	}
	cancel()
	v.Wait()
	if took := time.Since(start); took > startWait+time.Second {
		t.Errorf("the fetch outlived its context: %v", took)
	}
	verify(t, v, sign(jwt.SigningMethodES256, ecKey(), kid("ec"), nil), ErrKeysAway)
}

// A key that appears is found by the token that needs it, one that goes is no longer valid,
// and bad answers leave the set as it is.
func TestJWKSRotates(t *testing.T) {
	s := newKeyServer(t, jwk(ecKey().Public(), jwkset.JWKMetadataOptions{KID: "old"}, false))
	v := newJWKSVerifier(t, Config{JWKSURL: s.URL})
	age := func() { // as if the last fetch had been long ago
		v.jwks.mu.Lock()
		v.jwks.last = time.Now().Add(-askEvery)
		v.jwks.mu.Unlock()
	}
	old := sign(jwt.SigningMethodES256, ecKey(), kid("old"), nil)
	fresh := sign(jwt.SigningMethodEdDSA, edKey(), kid("new"), nil)
	verify(t, v, old, nil)
	verify(t, v, fresh, ErrUnknownKey)

	s.set.Store(nil) // answers 503
	age()
	verify(t, v, fresh, ErrUnknownKey)
	verify(t, v, old, nil)

	body := []byte(`{"keys":[{"kty":"oct","k":"` + strings.Repeat("A", maxKeySet) + `"}]}`)
	s.set.Store(&body)
	age()
	verify(t, v, fresh, ErrUnknownKey)
	verify(t, v, old, nil)

	s.serve(jwk(edKey().Public(), jwkset.JWKMetadataOptions{KID: "new"}, false))
	age()
	eventually(t, v, fresh, nil) // a retry may be under way that got the bad answer yet
	verify(t, v, old, ErrUnknownKey)
}

func eventually(t *testing.T, v *Verifier, token string, want error) {
	t.Helper()
	var err error
	for range 100 {
		if _, err = v.Verify(token); errors.Is(err, want) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("Verify() = %v, want %v", err, want)
}
