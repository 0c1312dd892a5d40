// Package topic is the grammar of topics and subscriptions: what is a valid name, which
// pattern matches what, and who may publish and subscribe where. It implements the naming
// rules of the "Topics" section of the client protocol, which rooms follow too, and the
// `topics` claim of its "Connect" section.
//
// A topic is 1–255 bytes of UTF-8: tokens joined by '.', none of them empty, without white
// space or control characters. In a subscription the token "*" stands for one token and a
// last token ">" for one or more. Topics that begin with '$' are the system's: a wildcard in
// first place does not reach them, they have to be named.
//
// The package does no I/O, and everything called once per message allocates nothing.
package topic

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLen is the length bound of topics and patterns, in bytes.
const MaxLen = 255

// What Validate and ValidatePattern find wrong, in words for the client.
var (
	ErrEmpty      = errors.New("is empty")
	ErrTooLong    = errors.New("is longer than 255 bytes")
	ErrEncoding   = errors.New("is not valid UTF-8")
	ErrEmptyToken = errors.New("has an empty token")
	ErrSpace      = errors.New("has white space")
	ErrControl    = errors.New("has a control character")
	// ErrWildcard is for names to publish to only: there is no publishing to a pattern.
	ErrWildcard = errors.New("has a wildcard, which only a subscription may have")
	// ErrTail is for patterns only: "a.>.b" is none.
	ErrTail = errors.New("has the wildcard > before its last token")
)

const (
	one  = "*" // stands for one token
	tail = ">" // as the last token: stands for one or more
)

// Validate reports why name cannot be published to: one of the Err sentinels, or nil.
func Validate(name string) error {
	return validate(name, false)
}

// ValidatePattern reports why p cannot be subscribed to: one of the Err sentinels, or nil.
// Every name that Validate accepts is a pattern too, matching itself.
func ValidatePattern(p string) error {
	return validate(p, true)
}

// IsSystem reports whether name, a topic or a pattern, is among the system's: begins with '$'.
func IsSystem(name string) bool {
	return name != "" && name[0] == '$'
}

// IsPattern reports whether some token of p is a wildcard, "*" or ">".
func IsPattern(p string) bool {
	for more := true; more; {
		var token string
		token, p, more = strings.Cut(p, ".")
		if token == one || token == tail {
			return true
		}
	}
	return false
}

func validate(s string, pattern bool) error {
	switch {
	case s == "":
		return ErrEmpty
	case len(s) > MaxLen:
		return ErrTooLong
	}
	if err := validateRunes(s); err != nil {
		return err
	}
	for more := true; more; {
		var token string
		token, s, more = strings.Cut(s, ".")
		switch {
		case token == "":
			return ErrEmptyToken
		case token != one && token != tail:
		case !pattern:
			return ErrWildcard
		case token == tail && more:
			return ErrTail
		}
	}
	return nil
}

func validateRunes(s string) error {
	for i := 0; i < len(s); {
		// Most topics are ASCII without space or control: '!' to '~'.
		if c := s[i]; c > ' ' && c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return ErrEncoding
		case unicode.IsSpace(r):
			return ErrSpace
		case unicode.IsControl(r):
			return ErrControl
		}
		i += size
	}
	return nil
}
