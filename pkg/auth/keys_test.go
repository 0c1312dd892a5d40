package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
)

const testSecret Secret = "0123456789abcdef0123456789abcdef"

// The keys of the tests, each kind made once.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	edKey    = sync.OnceValue(func() ed25519.PrivateKey { _, k, err := ed25519.GenerateKey(rand.Reader); return must(k, err) })
	smallRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func publicPEM(key any) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))}))
}

func TestNewErrors(t *testing.T) {
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(ecKey()))}))
	ec := publicPEM(ecKey().Public())
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"nothing", Config{Issuer: "x"}, "JWT_SECRET is not set"},
		{"short", Config{Secret: "short"}, "JWT_SECRET: must be at least 32 bytes, has 5"},
		{"short beside a key", Config{Secret: "short", PublicKey: ec}, "JWT_SECRET: must be at least 32 bytes, has 5"},
		{"key as secret", Config{Secret: Secret(ec)}, "JWT_SECRET: is a PEM key, which belongs in JWT_PUBLIC_KEY"},
		{"no PEM", Config{PublicKey: "x"}, "JWT_PUBLIC_KEY: not a PEM public key"},
		{"other PEM", Config{PublicKey: strings.ReplaceAll(ec, "PUBLIC KEY", "THING")}, "JWT_PUBLIC_KEY: not a PEM public key"},
		{"bad DER", Config{PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}}))}, "JWT_PUBLIC_KEY: not a PEM public key: "},
		{"private", Config{PublicKey: private}, "JWT_PUBLIC_KEY: is a private key, give the public one"},
		{"two keys", Config{PublicKey: ec + ec}, "JWT_PUBLIC_KEY: has something after its key, one key is all it can hold"},
		{"P-384", Config{PublicKey: publicPEM(p384Key().Public())}, "JWT_PUBLIC_KEY: EC key is on the curve P-384, must be on P-256"},
		{"RSA 1024", Config{PublicKey: publicPEM(smallRSA().Public())}, "JWT_PUBLIC_KEY: RSA key has 1024 bits, must have 2048 to 8192"},
		{"URL", Config{JWKSURL: "keys.example"}, "JWT_JWKS_URL: must be an http or https URL"},
		{"file URL", Config{JWKSURL: "file:///etc/passwd"}, "JWT_JWKS_URL: must be an http or https URL"},
		{"leeway", Config{Secret: testSecret, Leeway: -1}, "JWT_LEEWAY: must not be negative, is -1ns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := New(t.Context(), tt.cfg)
			if v != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("New() = %v, %v, want %s", v, err, tt.want)
			}
		})
	}
}

func TestPublicKeyForms(t *testing.T) {
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)}))
	for text, want := range map[string]string{
		publicPEM(rsaKey().Public()): algRS256,
		pkcs1:                        algRS256,
		publicPEM(ecKey().Public()):  algES256,
		publicPEM(edKey().Public()):  algEdDSA,
		"\n" + strings.ReplaceAll(publicPEM(edKey().Public()), "\n", `\n`) + " ": algEdDSA,
	} {
		if _, alg, err := parsePublicKey(text); alg != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", text, alg, err, want)
		}
	}
}
