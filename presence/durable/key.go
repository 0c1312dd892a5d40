package durable

import (
	"fmt"
	"strings"
)

// What rooms and users may be called at most, in bytes.
const (
	maxRoom = 255
	maxUser = 128
)

const (
	bucket  = "rt_rooms"
	stream  = "KV_" + bucket
	subject = "$KV." + bucket + "."
)

// A nameError is a room or user that no client can have asked for.
type nameError struct {
	what   string
	length int
}

func (e *nameError) Error() string { return fmt.Sprintf("a %s of %d bytes", e.what, e.length) }

func checkRoom(room string) error {
	if room == "" || len(room) > maxRoom {
		return &nameError{"room", len(room)}
	}
	return nil
}

func checkUser(user string) error {
	if user == "" || len(user) > maxUser {
		return &nameError{"user", len(user)}
	}
	return nil
}

func roomSubject(room string) string { return subject + "r." + escape(room) + "." }
func userSubject(user string) string { return subject + "u." + escape(user) }

// The tails of a room's subjects.
const (
	headTail       = "h"
	propertiesTail = "p"
	memberTail     = "m."
)

const hex = "0123456789abcdef"

// literal tells whether a byte stands for itself in a token.
func literal(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// escape makes one token of a subject, valid in a bucket's key, of any name: bytes other than letters,
// digits, - and _ become = and two hexadecimal digits. Different names make different tokens.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; literal(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'=', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// unescape is the inverse of escape. Of a token that escape did not make it reports false.
func unescape(token string) (string, bool) {
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == '=' {
			if len(token) < i+3 {
				return "", false
			}
			high, low := strings.IndexByte(hex, token[i+1]), strings.IndexByte(hex, token[i+2])
			if high < 0 || low < 0 || literal(byte(high<<4|low)) {
				return "", false
			}
			c = byte(high<<4 | low)
			i += 2
		} else if !literal(c) {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), len(b) > 0
}
