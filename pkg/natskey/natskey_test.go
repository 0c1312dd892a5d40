package natskey

import (
	"regexp"
	"testing"
)

var validToken = regexp.MustCompile(`^[-_=a-zA-Z0-9]+$`)

func FuzzEscape(f *testing.F) {
	for _, name := range []string{"a", "a.b", "*", ">", "=", "=2e", " ", "\xff", "日本", "A-_9"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if token := Escape(name); name != "" {
			if !validToken.MatchString(token) {
				t.Fatalf("%q makes the token %q", name, token)
			}
			if back, ok := Unescape(token); !ok || back != name {
				t.Fatalf("%q comes back as %q", name, back)
			}
		}
		// What is no token is not read as one.
		if back, ok := Unescape(name); ok && Escape(back) != name {
			t.Fatalf("%q is read as %q", name, back)
		}
	})
}
