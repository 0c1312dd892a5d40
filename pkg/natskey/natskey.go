// Package natskey makes tokens of NATS subjects of any names.
package natskey

import "strings"

const hex = "0123456789abcdef"

// Literal reports whether a byte stands for itself in a token: a letter, a digit, - or _.
func Literal(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// Escape makes one token of a subject, valid in a bucket's key, of any name: bytes that are not Literal
// become = and two hexadecimal digits. Different names make different tokens.
func Escape(name string) string { return string(Append(make([]byte, 0, len(name)+16), name)) }

// Append appends the token of a name.
func Append(b []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; Literal(c) {
			b = append(b, c)
		} else {
			b = append(b, '=', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// Unescape is the inverse of Escape. Of a token that Escape did not make it reports false.
func Unescape(token string) (string, bool) {
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == '=' {
			if len(token) < i+3 {
				return "", false
			}
			high, low := strings.IndexByte(hex, token[i+1]), strings.IndexByte(hex, token[i+2])
			if high < 0 || low < 0 || Literal(byte(high<<4|low)) {
				return "", false
			}
			c = byte(high<<4 | low)
			i += 2
		} else if !Literal(c) {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), len(b) > 0
}
