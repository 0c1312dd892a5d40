package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// The algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1), one for each kind of key.
const (
	algHS256 = "HS256"
	algRS256 = "RS256"
	algES256 = "ES256"
	algEdDSA = "EdDSA"
)

// minSecret is the least length of an HS256 key, in bytes: RFC 7518 section 3.2, "a key of
// the same size as the hash output […] or larger MUST be used".
const minSecret = 32

// RSA keys have 2048 bits at least, RFC 7518 section 3.3; the upper bound keeps the price of
// a verification within reason.
const (
	minRSA = 2048
	maxRSA = 8192
)

// checkSecret reports why s cannot sign or verify HS256, naming the setting.
func checkSecret(s Secret) error {
	if n := len(s); n < minSecret {
		return fmt.Errorf("JWT_SECRET: must be at least %d bytes, has %d", minSecret, n)
	}
	// Everyone has the public key: as an HMAC secret it would let everyone sign.
	if strings.Contains(s.Reveal(), "-----BEGIN ") {
		return errors.New("JWT_SECRET: is a PEM key, which belongs in JWT_PUBLIC_KEY")
	}
	return nil
}

// parsePublicKey reads one public key in PEM, PKIX or PKCS #1, and returns it with the only
// algorithm that fits it. A `\n` in text stands for a line break, as in most .env files.
func parsePublicKey(text string) (key any, alg string, err error) {
	block, rest := pem.Decode([]byte(strings.ReplaceAll(text, `\n`, "\n")))
	if block == nil {
		return nil, "", errors.New("JWT_PUBLIC_KEY: not a PEM public key")
	}
	switch {
	case block.Type == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, "", errors.New("JWT_PUBLIC_KEY: is a private key, give the public one")
	default:
		return nil, "", errors.New("JWT_PUBLIC_KEY: not a PEM public key")
	}
	if err != nil {
		return nil, "", fmt.Errorf("JWT_PUBLIC_KEY: not a PEM public key: %w", err)
	}
	if strings.TrimSpace(string(rest)) != "" {
		return nil, "", errors.New("JWT_PUBLIC_KEY: has something after its key, one key is all it can hold")
	}
	if alg, err = algorithm(key); err != nil {
		return nil, "", fmt.Errorf("JWT_PUBLIC_KEY: %w", err)
	}
	return key, alg, nil
}

// algorithm returns the only algorithm that a public key may verify, or why there is none.
func algorithm(key any) (string, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSA || n > maxRSA {
			return "", fmt.Errorf("RSA key has %d bits, must have %d to %d", n, minRSA, maxRSA)
		}
		return algRS256, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", fmt.Errorf("EC key is on the curve %s, must be on P-256", k.Curve.Params().Name)
		}
		return algES256, nil
	case ed25519.PublicKey:
		return algEdDSA, nil
	default:
		return "", fmt.Errorf("key of type %T, must be RSA, EC on P-256 or Ed25519", key)
	}
}
