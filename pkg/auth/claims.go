package auth

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

// MaxUser is the length bound of a user's and of a session's name, in bytes.
const MaxUser = 128

// Claims is what a verified token says of its bearer. It shares no memory with the token.
type Claims struct {
	User        string        // claim sub, else user_id; valid by ValidateUser
	SessionID   string        // claim session_id; empty when absent
	Roles       []string      // claim roles; nil when absent
	Permissions []string      // claim permissions; nil when absent
	Topics      *topic.Grants // claim topics, validated; nil when absent: see topic.Grants
	ExpiresAt   time.Time     // claim exp, to the millisecond; Config.Leeway is not added

	ID         string    // claim jti; empty when absent
	Family     string    // claim family: of the refresh tokens it came with; empty when absent
	IssuedAt   time.Time // claim iat, to the millisecond; zero when absent
	SignedInAt time.Time // claim auth_time, where there is a family: when that began; zero when absent
}

// Since is the time that a revocation of the user is held against: when the user signed in. A token that was had for
// a refresh token is no younger than the first of its family, otherwise a refresh that races with a revocation would
// outlive it. It is zero when the token tells no time.
func (c *Claims) Since() time.Time {
	if !c.SignedInAt.IsZero() {
		return c.SignedInAt
	}
	return c.IssuedAt
}

// ValidateUser returns ErrUser unless name can be a user: 1 to MaxUser bytes of UTF-8 without
// control characters.
func ValidateUser(name string) error {
	if name == "" || !printable(name) {
		return ErrUser
	}
	return nil
}

// printable reports whether s is at most MaxUser bytes of UTF-8 without control characters.
func printable(s string) bool {
	return len(s) <= MaxUser && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}
