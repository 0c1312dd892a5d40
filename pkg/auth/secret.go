package auth

import (
	"fmt"
	"io"
)

// masked is what a Secret shows of itself.
const masked = "***"

// Secret is text that must not be printed: whatever way it is formatted, marshalled or
// logged, it shows as "***", or as nothing when it is empty. Reveal gives the text itself.
//
// Two places are out of its reach, because no method is called there: an unexported field of
// a struct that fmt prints whole, and the key of a map that is marshalled as JSON.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String returns "***", or "" when s is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString is String, for the verb %#v.
func (s Secret) GoString() string { return s.String() }

// Format writes String for every verb and flag, those for numbers and bytes (%d, %x) included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON returns String in quotes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
