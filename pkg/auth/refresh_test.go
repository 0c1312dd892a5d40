package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

// families is Families in memory: the rule as it is meant, without Redis.
type families struct {
	mu           sync.Mutex
	next         map[string]int64 // guarded by mu; -1: revoked
	keep, access time.Duration    // guarded by mu: of the latest use
	err          error            // static
}

func (f *families) Use(_ context.Context, user, family string, serial int64, keep, access time.Duration) (bool, error) {
	if f.err != nil {
		return false, f.err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep, f.access = keep, access
	key := user + "/" + family
	if f.next[key] != serial {
		f.next[key] = -1
		return false, nil
	}
	f.next[key]++
	return true, nil
}

func newRefresher(t *testing.T, change func(*RefreshConfig)) *Refresher {
	t.Helper()
	cfg := RefreshConfig{
		Secret: testSecret, TTL: time.Hour, Families: &families{next: make(map[string]int64)},
		Revoked: func(string, string, string, time.Time) error { return nil },
	}
	if change != nil {
		change(&cfg)
	}
	r, err := NewRefresher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// refresh checks that token gives the error wanted, and that no error tells the token.
func refresh(t *testing.T, r *Refresher, token Secret, want error) Pair {
	t.Helper()
	pair, err := r.Refresh(t.Context(), token.Reveal())
	if !errors.Is(err, want) || (err == nil) != (pair.Access != "") {
		t.Errorf("Refresh() = %+v, %v, want %v", pair, err, want)
	}
	if err != nil {
		for part := range strings.SplitSeq(token.Reveal(), ".") {
			if len(part) > 3 && strings.Contains(err.Error(), part) {
				t.Errorf("the error tells the token: %v", err)
			}
		}
	}
	return pair
}

var fullSpec = TokenSpec{
	User: "älice", Issuer: "iss", Audience: "rt", SessionID: "s-1", TTL: 15 * time.Minute, Roles: []string{"a", "b"}, Permissions: []string{"p"},
	Topics: &topic.Grants{Publish: []string{"a.>"}, Subscribe: []string{}},
}

func TestRefresh(t *testing.T) {
	reg := prometheus.NewRegistry()
	f := &families{next: make(map[string]int64)}
	r := newRefresher(t, func(c *RefreshConfig) {
		c.Issuer, c.Audience, c.Families, c.Registerer, c.Leeway = "iss", "rt", f, reg, 5*time.Second
	})
	v := newVerifier(t, Config{Secret: testSecret, Issuer: "iss", Audience: "rt"})
	began := time.Now().Add(-10 * time.Minute).Truncate(time.Millisecond)
	spec := fullSpec
	spec.Now = began
	pair := must(MintPair(testSecret, spec, time.Hour))
	seen := make(map[string]bool)
	var used []Secret
	for n := range 4 {
		c := verify(t, v, pair.Access.Reveal(), nil)
		if c == nil {
			t.FailNow()
		}
		if c.Family == "" || c.Family != pair.Family || c.ID == "" || seen[c.ID] || !c.SignedInAt.Equal(began) || !c.Since().Equal(began) {
			t.Errorf("pair %d: claims %+v", n, c)
		}
		if left := c.ExpiresAt.Sub(c.IssuedAt); left != spec.TTL || pair.ExpiresIn != spec.TTL || n > 0 && time.Since(c.IssuedAt) > time.Minute {
			t.Errorf("pair %d: %v, expires in %v, issued %v", n, left, pair.ExpiresIn, c.IssuedAt)
		}
		seen[c.ID] = true
		got := TokenSpec{
			User: c.User, Issuer: "iss", Audience: "rt", SessionID: c.SessionID, TTL: spec.TTL,
			Roles: c.Roles, Permissions: c.Permissions, Topics: c.Topics,
		}
		if !reflect.DeepEqual(got, fullSpec) {
			t.Errorf("pair %d: claims %+v, want %+v", n, got, fullSpec)
		}
		used = append(used, pair.Refresh)
		pair = refresh(t, r, pair.Refresh, nil)
	}
	if want := time.Hour + 5*time.Second + clockSkew; f.keep != want || f.access != 15*time.Minute+5*time.Second+clockSkew {
		t.Errorf("the family is known for %v, its tokens revoked for %v", f.keep, f.access)
	}
	refresh(t, r, used[1], ErrRefreshUsed)
	refresh(t, r, pair.Refresh, ErrRefreshUsed) // the family is revoked
	if got := used[0].String() + fmt.Sprintf("%v %+v", pair, pair); strings.Contains(got, "eyJ") {
		t.Errorf("a pair prints as %s", got)
	}
	refresh(t, r, must(MintPair(testSecret, spec, time.Hour)).Refresh, nil) // another family of the same user
	counts := make(map[string]float64)
	for _, family := range must(reg.Gather()) {
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				counts[l.GetValue()] += m.GetCounter().GetValue()
			}
		}
	}
	if counts["refreshed"] != 5 || counts["reused"] != 2 {
		t.Errorf("counted %v", counts)
	}
}

// TestRefreshAtOnce: of many who use one token at once, one gets a pair.
func TestRefreshAtOnce(t *testing.T) {
	r := newRefresher(t, nil)
	pair := must(MintPair(testSecret, TokenSpec{User: "a", TTL: time.Minute}, time.Hour))
	var wg sync.WaitGroup
	granted := make(chan Pair, 16)
	for range cap(granted) {
		wg.Go(func() {
			switch next, err := r.Refresh(t.Context(), pair.Refresh.Reveal()); {
			case err == nil:
				granted <- next
			case !errors.Is(err, ErrRefreshUsed):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(granted) != 1 {
		t.Fatalf("%d got a pair, want 1", len(granted))
	}
	refresh(t, r, (<-granted).Refresh, ErrRefreshUsed)
}

func TestRefreshRefusals(t *testing.T) {
	pair := func(secret Secret, spec TokenSpec) Secret {
		return must(MintPair(secret, spec, max(spec.TTL, time.Minute))).Refresh
	}
	spec := TokenSpec{User: "alice", TTL: time.Minute, Issuer: "iss", Audience: "rt"}
	late, early, other, nobody := spec, spec, spec, spec
	late.Now, early.Now = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	other.Audience, nobody.Issuer = "other", ""
	good := pair(testSecret, spec)
	key := must(refreshKey(testSecret))
	claims := obj{"iss": "iss", "aud": "rt", "family": "f", "auth_time": 1, "serial": 0, "access_ttl": 60}
	with := func(typ any, changed obj) Secret {
		all := obj{}
		for name, v := range claims {
			all[name] = v
		}
		for name, v := range changed {
			all[name] = v
		}
		return Secret(sign(jwt.SigningMethodHS256, key, obj{"typ": typ}, all))
	}
	r := newRefresher(t, func(c *RefreshConfig) { c.Issuer, c.Audience = "iss", "rt" })
	tests := []struct {
		name  string
		token Secret
		want  error
	}{
		{"by hand", with(refreshType, nil), nil},
		{"empty", "", ErrMalformed},
		{"no token", "a.b", ErrMalformed},
		{"line break", good + "\n", ErrMalformed},
		{"huge", Secret(strings.Repeat("x", MaxToken+1)), ErrTooLong},
		{"expired", pair(testSecret, late), ErrExpired},
		{"not valid yet", pair(testSecret, early), ErrNotYetValid},
		{"other secret", pair(testSecret+"x", spec), ErrSignature},
		{"other audience", pair(testSecret, other), ErrAudience},
		{"no issuer", pair(testSecret, nobody), ErrIssuer},
		{"of no type", with("JWT", nil), ErrSignature},
		{"type a number", with(7, nil), ErrSignature},
		{"crit", Secret(sign(jwt.SigningMethodHS256, key, obj{"typ": refreshType, "crit": []string{"exp"}}, claims)), ErrMalformed},
		{"HS512", Secret(sign(jwt.SigningMethodHS512, key, obj{"typ": refreshType}, claims)), ErrAlgorithm},
		{"alg none", Secret(strings.Join([]string{
			"eyJhbGciOiJub25lIiwidHlwIjoicmVmcmVzaCtqd3QifQ", strings.Split(good.Reveal(), ".")[1], ""}, ".")), ErrAlgorithm},
		{"no family", with(refreshType, obj{"family": nil}), ErrMalformed},
		{"no beginning", with(refreshType, obj{"auth_time": nil}), ErrMalformed},
		{"no serial", with(refreshType, obj{"serial": nil}), ErrMalformed},
		{"serial below zero", with(refreshType, obj{"serial": -1}), ErrMalformed},
		{"half a serial", with(refreshType, obj{"serial": 0.5}), ErrMalformed},
		{"serial beyond numbers", with(refreshType, obj{"serial": 1e300}), ErrMalformed},
		{"serial in text", with(refreshType, obj{"serial": "0"}), ErrMalformed},
		{"no life", with(refreshType, obj{"access_ttl": 0}), ErrMalformed},
		{"life without end", with(refreshType, obj{"access_ttl": json.RawMessage("1e999")}), ErrMalformed},
		{"no user", with(refreshType, obj{"sub": ""}), ErrUser},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { refresh(t, r, tt.token, tt.want) })
	}
	if _, err := NewRefresher(RefreshConfig{Secret: "short"}); err == nil || !strings.HasPrefix(err.Error(), "JWT_SECRET: ") {
		t.Errorf("with a short secret: %v", err)
	}
	if _, err := MintPair(testSecret, TokenSpec{User: "a", TTL: time.Hour}, time.Minute); err == nil {
		t.Error("minted a refresh token that ends before the access token")
	}
}

// TestRefreshRevoked: who is revoked gets no new tokens, and the token is not used up by asking.
func TestRefreshRevoked(t *testing.T) {
	errRevoked := errors.New("token is revoked")
	began := time.Now().Truncate(time.Millisecond)
	revoked := true
	r := newRefresher(t, func(c *RefreshConfig) {
		c.Revoked = func(user, id, family string, since time.Time) error {
			if user != "alice" || id != "" || family == "" || !since.Equal(began) {
				t.Errorf("asked for %q %q %q %v", user, id, family, since)
			}
			if revoked {
				return errRevoked
			}
			return nil
		}
	})
	pair := must(MintPair(testSecret, TokenSpec{User: "alice", TTL: time.Minute, Now: began}, time.Hour))
	refresh(t, r, pair.Refresh, errRevoked)
	revoked = false
	time.Sleep(2 * time.Millisecond)                             // so that the next pair is minted later than the first
	refresh(t, r, refresh(t, r, pair.Refresh, nil).Refresh, nil) // it is as old as the first of its family
}

func TestRefreshAway(t *testing.T) {
	r := newRefresher(t, func(c *RefreshConfig) { c.Families = &families{err: io.ErrUnexpectedEOF} })
	pair := must(MintPair(testSecret, TokenSpec{User: "a", TTL: time.Minute}, time.Hour))
	refresh(t, r, pair.Refresh, ErrFamiliesAway)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Refresh(ctx, pair.Refresh.Reveal()); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

func TestPairResponse(t *testing.T) {
	p := Pair{Access: "a.b.c", Refresh: "d.e.f", ExpiresIn: 15*time.Minute + 999*time.Millisecond, Family: "f"}
	want := `{"access_token":"a.b.c","refresh_token":"d.e.f","expires_in":900,"token_type":"Bearer"}` + "\n"
	if got := string(p.Response()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
