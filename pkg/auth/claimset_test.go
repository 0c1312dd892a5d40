package auth

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

func TestClaims(t *testing.T) {
	v := newVerifier(t, Config{Secret: testSecret, Issuer: "iss", Audience: "rt", Leeway: 10 * time.Second})
	now := time.Now()
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	good := obj{"iss": "iss", "aud": "rt"}
	tests := []struct {
		name   string
		claims obj
		want   error
	}{
		{"plain", obj{}, nil},
		{"nulls", obj{"nbf": json.RawMessage("null"), "session_id": json.RawMessage("null"), "roles": json.RawMessage("null")}, nil},
		{"claims of others", obj{"user_id": 7, "serial": []int{1}, "scope": "a b", "SUB": "mallory", "EXP": 1, "Topics": 7}, nil},

		{"no exp", obj{"exp": nil}, ErrNoExpiry},
		{"null exp", obj{"exp": json.RawMessage("null")}, ErrNoExpiry},
		{"EXP is not exp", obj{"exp": nil, "EXP": in(time.Hour)}, ErrNoExpiry},
		{"expired", obj{"exp": in(-time.Hour)}, ErrExpired},
		{"expired in 1970", obj{"exp": 0}, ErrExpired},
		{"expired within leeway", obj{"exp": in(-5 * time.Second)}, nil},
		{"expired past leeway", obj{"exp": in(-12 * time.Second)}, ErrExpired},
		{"exp in text", obj{"exp": "4102444800"}, ErrMalformed},
		{"exp before 1970", obj{"exp": -1}, ErrMalformed},
		{"exp beyond clocks", obj{"exp": 1e300}, ErrMalformed},
		{"exp beyond floats", obj{"exp": json.RawMessage("1e999")}, ErrMalformed},
		{"exp with a fraction", obj{"exp": float64(in(time.Hour)) + 0.5}, nil},
		{"nbf past", obj{"nbf": in(-time.Hour)}, nil},
		{"nbf within leeway", obj{"nbf": in(5 * time.Second)}, nil},
		{"nbf ahead", obj{"nbf": in(time.Minute)}, ErrNotYetValid},
		{"nbf no date", obj{"nbf": true}, ErrMalformed},
		{"iat ahead", obj{"iat": in(time.Minute)}, ErrNotYetValid},
		{"iat no date", obj{"iat": "now"}, ErrMalformed},

		{"no iss", obj{"iss": nil}, ErrIssuer},
		{"other iss", obj{"iss": "other"}, ErrIssuer},
		{"iss a list", obj{"iss": []string{"iss"}}, ErrIssuer},
		{"no aud", obj{"aud": nil}, ErrAudience},
		{"other aud", obj{"aud": "rtx"}, ErrAudience},
		{"aud among others", obj{"aud": []any{"a", "rt", "b"}}, nil},
		{"aud not among them", obj{"aud": []any{"a", 7, "b"}}, ErrAudience},
		{"aud empty", obj{"aud": []any{}}, ErrAudience},
		{"aud an object", obj{"aud": obj{"a": "rt"}}, ErrAudience},

		{"no sub", obj{"sub": nil}, ErrUser},
		{"empty sub", obj{"sub": ""}, ErrUser},
		{"sub a number", obj{"sub": 7}, ErrUser},
		{"sub a number, user_id", obj{"sub": 7, "user_id": "alice"}, ErrUser},
		{"user_id", obj{"sub": nil, "user_id": "alice"}, nil},
		{"user_id beside an empty sub", obj{"sub": "", "user_id": "alice"}, nil},
		{"user_id a number", obj{"sub": nil, "user_id": 7}, ErrUser},
		{"user of 128 bytes", obj{"sub": strings.Repeat("é", 64)}, nil},
		{"user of 129 bytes", obj{"sub": strings.Repeat("é", 64) + "a"}, ErrUser},
		{"role with a line break", obj{"roles": []string{"a\nadmin"}}, ErrMalformed},
		{"user with a control character", obj{"sub": "al\x00ice"}, ErrUser},
		{"user with a C1 control character", obj{"sub": "al\u0085ice"}, ErrUser},

		{"session of 128 bytes", obj{"session_id": strings.Repeat("s", 128)}, nil},
		{"session of 129 bytes", obj{"session_id": strings.Repeat("s", 129)}, ErrSession},
		{"session with a line break", obj{"session_id": "a\nb"}, ErrSession},
		{"session a number", obj{"session_id": 7}, ErrSession},

		{"roles", obj{"roles": []string{"a", "b"}, "permissions": []string{}}, nil},
		{"roles in text", obj{"roles": "a b"}, ErrMalformed},
		{"roles with a number", obj{"roles": []any{"a", 7}}, ErrMalformed},
		{"permissions an object", obj{"permissions": obj{"a": true}}, ErrMalformed},

		{"256 roles", obj{"roles": make([]string, 256)}, nil},
		{"257 roles", obj{"roles": make([]string, 257)}, ErrMalformed},
		{"257 permissions", obj{"permissions": make([]string, 257)}, ErrMalformed},

		{"jti and family", obj{"jti": strings.Repeat("j", 128), "family": "f", "auth_time": in(-time.Hour)}, nil},
		{"jti a list", obj{"jti": []int{1}}, ErrMalformed},
		{"jti of 129 bytes", obj{"jti": strings.Repeat("j", 129)}, ErrMalformed},
		{"jti with a line break", obj{"jti": "a\nb"}, ErrMalformed},
		{"family a number", obj{"family": 7}, ErrMalformed},
		{"auth_time in text, of a family", obj{"family": "f", "auth_time": "now"}, ErrMalformed},
		{"auth_time in text, of others", obj{"auth_time": "now"}, nil},

		{"topics", obj{"topics": obj{"publish": []string{"a.>"}, "subscribe": []string{}}}, nil},
		{"topics null", obj{"topics": json.RawMessage("null")}, ErrGrants},
		{"topics a list", obj{"topics": []string{"a"}}, ErrGrants},
		{"publish null", obj{"topics": obj{"publish": json.RawMessage("null")}}, ErrGrants},
		{"publish in text", obj{"topics": obj{"publish": "a"}}, ErrGrants},
		{"publish misspelt", obj{"topics": obj{"Publish": []string{}}}, ErrGrants},
		{"no pattern", obj{"topics": obj{"subscribe": []string{"a", "b..c"}}}, topic.ErrEmptyToken},
		{"tail in the middle", obj{"topics": obj{"publish": []string{"a.>.b"}}}, ErrGrants},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			claims := maps.Clone(good)
			maps.Copy(claims, tt.claims)
			c := verify(t, v, hs(claims), tt.want)
			if tt.want == nil && c != nil && c.User != "alice" && len(c.User) != MaxUser {
				t.Errorf("user %q", c.User)
			}
		})
	}
}

// TestErrorNamesTheClaim: whoever makes tokens wants to know which of their claims is refused.
func TestErrorNamesTheClaim(t *testing.T) {
	v := newVerifier(t, Config{Secret: testSecret})
	for _, claim := range []string{"exp", "nbf", "iat", "jti", "family", "roles", "permissions"} {
		_, err := v.Verify(hs(obj{claim: obj{"a": 1}}))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), claim+" ") {
			t.Errorf("%s an object: %v", claim, err)
		}
	}
}

func TestErrorNamesThePattern(t *testing.T) {
	_, err := newVerifier(t, Config{Secret: testSecret}).Verify(hs(obj{"topics": obj{"subscribe": []string{"b..c"}}}))
	if want := `token has bad topics: subscribe "b..c": has an empty token`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestValidateUser(t *testing.T) {
	for name, want := range map[string]error{
		"alice": nil, "a b": nil, "日本": nil, strings.Repeat("a", 128): nil,
		"": ErrUser, "a\x7f": ErrUser, "a\xff": ErrUser, strings.Repeat("a", 129): ErrUser,
	} {
		if got := ValidateUser(name); !errors.Is(got, want) {
			t.Errorf("ValidateUser(%q) = %v", name, got)
		}
	}
}
