package client

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Token signs an HS256 token for user that is valid for ttl. It uses the JWT
// library, not the project's own code, so that the server meets tokens made by
// somebody else. More claims overwrite the standard ones.
func Token(secret, user string, ttl time.Duration, more map[string]any) (string, error) {
	now := time.Now()
	claims := jwt.MapClaims{
		"sub": user,
		"iat": now.Unix(),
		"exp": now.Add(ttl).Unix(),
	}
	for k, v := range more {
		claims[k] = v
	}
	t, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return t, nil
}
