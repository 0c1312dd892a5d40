package auth

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

func TestMint(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	spec := TokenSpec{
		User: "älice <&>", Issuer: "iss", Audience: "rt", SessionID: "s-1",
		TTL: 90*time.Second + 250*time.Millisecond, Now: now,
		Roles: []string{"admin", "ops"}, Permissions: []string{"p"},
		Topics: &topic.Grants{Publish: []string{"a.>"}, Subscribe: []string{}}, ID: "id-1",
	}
	token, err := Mint(testSecret, spec)
	if err != nil {
		t.Fatal(err)
	}
	want := &Claims{
		User: spec.User, SessionID: spec.SessionID, Roles: spec.Roles, Permissions: spec.Permissions,
		Topics: spec.Topics, ExpiresAt: now.Add(spec.TTL), ID: "id-1", IssuedAt: now,
	}
	v := newVerifier(t, Config{Secret: testSecret, Issuer: "iss", Audience: "rt"})
	got := verify(t, v, token, nil)
	if got == nil || !got.ExpiresAt.Equal(want.ExpiresAt) || !got.IssuedAt.Equal(now) || !got.Since().Equal(now) {
		t.Fatalf("minted %+v, want %+v", got, want)
	}
	got.IssuedAt = now
	if got.ExpiresAt = want.ExpiresAt; !reflect.DeepEqual(got, want) {
		t.Errorf("minted %+v, want %+v", got, want)
	}

	plain := must(Mint(testSecret, TokenSpec{User: "bob", TTL: time.Minute}))
	got = verify(t, newVerifier(t, Config{Secret: testSecret}), plain, nil)
	if got == nil || got.Topics != nil || got.Roles != nil || got.SessionID != "" || len(got.ID) != 22 || got.Family != "" {
		t.Errorf("minted %+v", got)
	}
	verify(t, v, plain, ErrIssuer)
	verify(t, v, must(Mint(testSecret, TokenSpec{User: "bob", TTL: time.Minute, Now: now.Add(-time.Hour)})), ErrExpired)
	verify(t, v, must(Mint(testSecret, TokenSpec{User: "bob", TTL: time.Minute, Now: now.Add(time.Hour)})), ErrNotYetValid)
	verify(t, v, must(Mint(testSecret+"x", TokenSpec{User: "bob", TTL: time.Minute})), ErrSignature)
}

func TestMintErrors(t *testing.T) {
	tests := []struct {
		name   string
		secret Secret
		spec   TokenSpec
		want   string
	}{
		{"no secret", "", TokenSpec{User: "a", TTL: 1e9}, "JWT_SECRET is not set"},
		{"short secret", "short", TokenSpec{User: "a", TTL: 1e9}, "JWT_SECRET: must be at least 32 bytes, has 5"},
		{"no user", testSecret, TokenSpec{TTL: 1e9}, ErrUser.Error()},
		{"bad user", testSecret, TokenSpec{User: "a\x00", TTL: 1e9}, ErrUser.Error()},
		{"bad session", testSecret, TokenSpec{User: "a", SessionID: "\n", TTL: 1e9}, ErrSession.Error()},
		{"no life", testSecret, TokenSpec{User: "a"}, "token life must be positive, is 0s"},
		{"bad topics", testSecret, TokenSpec{User: "a", TTL: 1e9, Topics: &topic.Grants{Publish: []string{""}}}, `token has bad topics: publish "": is empty`},
		{"bad ID", testSecret, TokenSpec{User: "a", TTL: 1e9, ID: "a\x00"}, "token is malformed: jti"},
		{"many roles", testSecret, TokenSpec{User: "a", TTL: 1e9, Roles: make([]string, 257)}, "more than 256 roles or permissions"},
		{"too long", testSecret, TokenSpec{User: "a", TTL: 1e9, Roles: []string{strings.Repeat("r", MaxToken)}}, ErrTooLong.Error()},
	}
	for _, tt := range tests {
		if token, err := Mint(tt.secret, tt.spec); token != "" || err == nil || err.Error() != tt.want {
			t.Errorf("%s: Mint() = %q, %v, want %s", tt.name, token, err, tt.want)
		}
	}
}
