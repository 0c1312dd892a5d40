package topic

import (
	"slices"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "aa", false},
		{"a", "a.b", false},
		{"a.b", "a", false},
		{"a.b", "a.b", true},
		{"*", "a", true},
		{"*", "a.b", false},
		{"a.*", "a", false},
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"a.*.c", "a.b.c", true},
		{"a.*.c", "a.b.d", false},
		{"*.b", "a.b", true},
		{">", "a", true},
		{">", "a.b.c", true},
		{"a.>", "a", false},
		{"a.>", "a.b", true},
		{"a.>", "a.b.c.d", true},
		{"a.>", "b.b", false},
		{"*.>", "a", false},
		{"*.>", "a.b", true},
		{"a.*.>", "a.b", false},
		{"a.*.>", "a.b.c", true},
		{"a*", "ab", false}, // a wildcard is a whole token
		{"$sys.a", "$sys.a", true},
		{"$sys.*", "$sys.a", true},
		{"$sys.>", "$sys.a.b", true},
		{"*.a", "$sys.a", false},
		{">", "$sys", false},
		{">", "$sys.a", false},
		{"*", "$", false},
		{"*.>", "$sys.a.b", false},
		{"a.*", "a.$b", true},
	}
	for _, tt := range tests {
		if got := Match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.pattern, tt.name, got)
		}
		if got := Covers(tt.pattern, tt.name); got != tt.want {
			t.Errorf("Covers(%q, %q) = %v", tt.pattern, tt.name, got)
		}
	}
}

func TestCovers(t *testing.T) {
	tests := []struct {
		pattern, sub string
		want         bool
	}{
		{"a.*", "a.*", true},
		{"a.>", "a.>", true},
		{">", ">", true},
		{">", "*", true},
		{">", "*.x", true},
		{">", "*.>", true},
		{"*.>", ">", false},
		{"*", ">", false},
		{"*", "*.>", false},
		{"a.>", "a.*", true},
		{"a.>", "a.*.>", true},
		{"a.>", "a", false},
		{"a.>", "*.b", false},
		{"a.*", "a.>", false},
		{"a.*.>", "a.>", false},
		{"a.*.>", "a.*.*", true},
		{"a.*.>", "a.b.*.>", true},
		{"a.b", "a.*", false},
		{"a.b", "*.b", false},
		{"a.b", "a.>", false},
		{"*.*", "*.b", true},
		{"$sys.>", "$sys.*", true},
		{"$sys.>", ">", false},
		{">", "$sys.>", false},
		{"*.>", "$sys.*", false},
		{"*", "$sys", false},
	}
	for _, tt := range tests {
		if got := Covers(tt.pattern, tt.sub); got != tt.want {
			t.Errorf("Covers(%q, %q) = %v", tt.pattern, tt.sub, got)
		}
	}
}

// TestCoversExactly compares Covers with its definition over every pattern and every topic of
// a few tokens from a small alphabet. The topics have a token that no pattern has, and may be
// longer than the patterns, so that a wildcard is never mistaken for what it stands for.
func TestCoversExactly(t *testing.T) {
	var names []string
	for _, name := range sequences([]string{"a", "$s", "x"}, 4) {
		if Validate(name) == nil {
			names = append(names, name)
		}
	}
	var subs []string
	for _, p := range sequences([]string{"a", "$s", "*", ">"}, 3) {
		if ValidatePattern(p) == nil {
			subs = append(subs, p)
		}
	}
	matched := make(map[string][]string, len(subs))
	for _, p := range subs {
		for _, name := range names {
			if naiveMatch(p, name) {
				matched[p] = append(matched[p], name)
			}
		}
	}
	for _, p := range subs {
		for _, sub := range subs {
			want := !slices.ContainsFunc(matched[sub], func(name string) bool { return !naiveMatch(p, name) })
			if got := Covers(p, sub); got != want {
				t.Errorf("Covers(%q, %q) = %v", p, sub, got)
			}
		}
	}
}

// sequences lists all sequences of 1 to n of the tokens.
func sequences(tokens []string, n int) []string {
	all, last := slices.Clone(tokens), tokens
	for range n - 1 {
		var next []string
		for _, head := range last {
			for _, token := range tokens {
				next = append(next, head+"."+token)
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

// naiveMatch is Match as the protocol tells it, independent of the code it checks.
func naiveMatch(pattern, name string) bool {
	want, got := strings.Split(pattern, "."), strings.Split(name, ".")
	first := want[0] == "*" || want[0] == ">" && len(want) == 1
	if first && strings.HasPrefix(name, "$") {
		return false
	}
	if n := len(want) - 1; want[n] == ">" {
		if len(got) < len(want) {
			return false
		}
		want, got = want[:n], got[:n]
	}
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == "*" || w == g })
}

func FuzzMatch(f *testing.F) {
	for _, p := range []string{"a.*.c", "a.>", ">", "*", "$sys.>", "a..b", "", "a.>.b"} {
		for _, name := range []string{"a.b.c", "a", "$sys.x", "", ".", "a..b"} {
			f.Add(p, "a.*", name)
		}
	}
	f.Fuzz(func(t *testing.T, p, sub, name string) {
		got := Match(p, name)
		if want := naiveMatch(p, name); got != want {
			t.Fatalf("Match(%q, %q) = %v, want %v", p, name, got, want)
		}
		valid := ValidatePattern(p) == nil && ValidatePattern(sub) == nil && Validate(name) == nil
		if valid && !got && Covers(p, sub) && Match(sub, name) {
			t.Fatalf("%q covers %q, which matches %q, but does not match it", p, sub, name)
		}
		if valid && Covers(p, name) != got {
			t.Fatalf("Match(%q, %q) = %v, Covers differs", p, name, got)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for name, pattern := range map[string]string{
		"exact": "chat.rooms.general.42", "one": "chat.*.general.*", "tail": "chat.>",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !Match(pattern, "chat.rooms.general.42") {
					b.Fatal("no match")
				}
			}
		})
	}
}

func BenchmarkCovers(b *testing.B) {
	for b.Loop() {
		if !Covers("chat.*.>", "chat.rooms.general.*") {
			b.Fatal("not covered")
		}
	}
}
