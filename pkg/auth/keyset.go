package auth

import (
	"context"
	"crypto"
	"io"
	"net/http"
	"slices"

	"github.com/MicahParks/jwkset"
)

const (
	maxKeys   = 64      // of a set: a token that names no key is tried with each
	maxKeySet = 1 << 20 // bytes of an answer
)

// usableKeys keeps of each set what may verify a token: public halves only come out of it,
// of keys that are for signatures and fit one of the three algorithms.
type usableKeys struct{ *jwkset.MemoryJWKSet }

// KeyReplaceAll replaces the set by the usable ones of given.
func (u *usableKeys) KeyReplaceAll(ctx context.Context, given []jwkset.JWK) error {
	given = slices.DeleteFunc(given, func(k jwkset.JWK) bool { return !usable(k) })
	return u.MemoryJWKSet.KeyReplaceAll(ctx, given[:min(len(given), maxKeys)])
}

func usable(k jwkset.JWK) bool {
	key := k.Key()
	if private, ok := key.(interface{ Public() crypto.PublicKey }); ok {
		key = private.Public()
	}
	alg, err := algorithm(key)
	m := k.Marshal()
	return err == nil &&
		(m.ALG == "" || m.ALG.String() == alg) &&
		(m.USE == "" || m.USE == jwkset.UseSig) &&
		(len(m.KEYOPS) == 0 || slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify))
}

// bounded is a transport whose answers end after maxKeySet bytes.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = body{io.LimitReader(resp.Body, maxKeySet), resp.Body}
	}
	return resp, err
}

type body struct {
	io.Reader
	io.Closer
}
