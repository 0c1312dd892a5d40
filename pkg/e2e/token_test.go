package e2e_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/auth"
)

func verifier(t *testing.T, cfg auth.Config) *auth.Verifier {
	t.Helper()
	v, err := auth.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestToken(t *testing.T) {
	t.Parallel()
	env := []string{"JWT_SECRET=" + secret, "JWT_ISSUER=us", "JWT_AUDIENCE=them"}
	code, stdout, stderr := runBinary(t, env, "token", "-user", "alice", "-ttl", "5m",
		"-roles", "admin,support", "-publish", "chat.>", "-subscribe", "chat.>,alerts.*")
	if code != 0 || stderr != "" || len(lines(stdout)) != 1 {
		t.Fatalf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	token := strings.TrimSuffix(stdout, "\n")
	c, err := verifier(t, auth.Config{Secret: secret, Issuer: "us", Audience: "them"}).Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(c.ExpiresAt)
	if c.User != "alice" || left < 4*time.Minute || left > 5*time.Minute ||
		!slices.Equal(c.Roles, []string{"admin", "support"}) ||
		!slices.Equal(c.Topics.Publish, []string{"chat.>"}) ||
		!slices.Equal(c.Topics.Subscribe, []string{"chat.>", "alerts.*"}) {
		t.Errorf("claims %+v", c)
	}
	if _, err := verifier(t, auth.Config{Secret: "another secret, just as long as ours"}).Verify(token); err == nil {
		t.Error("good for another secret")
	}

	_, stdout, _ = runBinary(t, env[:1], "token", "-user=bob")
	c, err = verifier(t, auth.Config{Secret: secret}).Verify(strings.TrimSpace(stdout))
	if err != nil || c.User != "bob" || c.Topics != nil || c.Roles != nil {
		t.Errorf("claims %+v, %v", c, err)
	}
}

// TestTokenPair: the same, with a refresh token, in the shape in which a gateway answers.
func TestTokenPair(t *testing.T) {
	t.Parallel()
	env := []string{"JWT_SECRET=" + secret, "JWT_ISSUER=us"}
	code, stdout, stderr := runBinary(t, env, "token", "-user", "alice", "-ttl", "5m", "-refresh", "-permissions", "p,q", "-refresh-token-ttl=1h")
	var pair struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Expires int    `json:"expires_in"`
		Type    string `json:"token_type"`
	}
	if err := json.Unmarshal([]byte(stdout), &pair); err != nil || code != 0 || stderr != "" || len(lines(stdout)) != 1 {
		t.Fatalf("exit code %d, stdout %q, stderr %q, %v", code, stdout, stderr, err)
	}
	v := verifier(t, auth.Config{Secret: secret, Issuer: "us"})
	c, err := v.Verify(pair.Access)
	if err != nil {
		t.Fatal(err)
	}
	if pair.Expires != 300 || pair.Type != "Bearer" || c.Family == "" || c.ID == "" || !slices.Equal(c.Permissions, []string{"p", "q"}) {
		t.Errorf("%+v, claims %+v", pair, c)
	}
	if _, err := v.Verify(pair.Refresh); !errors.Is(err, auth.ErrSignature) {
		t.Errorf("the refresh token as an access token: %v", err)
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	env := []string{"JWT_SECRET=" + secret}
	refuses(t, "JWT_SECRET: required, the token is signed with it; at least 32 bytes", nil, "token", "-user=alice")
	refuses(t, "JWT_SECRET: must be at least 32 bytes, has 5", []string{"JWT_SECRET=short"}, "token", "-user=alice")
	refuses(t, "-user: required, such as -user alice", env, "token")
	refuses(t, `-user: "a\nb" is not a user of 1–128 bytes without control characters`, env, "token", "-user", "a\nb")
	refuses(t, `-ttl: "tomorrow" is not a duration such as 30s`, env, "token", "-user=alice", "-ttl=tomorrow")
	refuses(t, `unexpected argument "alice": settings are flags, see realtime token -h`, env, "token", "alice")
	refuses(t, `REFRESH_TOKEN_TTL: 1h is shorter than -ttl, 2h`, env, "token", "-user=alice", "-refresh", "-ttl=2h", "-refresh-token-ttl=1h")
	refuses(t, "token is longer than 8192 bytes", env, "token", "-user=alice", "-roles="+strings.Repeat("r", 9000))
}

// mint makes a token of that user, good for an hour.
func mint(t *testing.T, user string) string {
	t.Helper()
	token, err := auth.Mint(secret, auth.TokenSpec{User: user, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return token
}
