package topic

import (
	"errors"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	long := strings.Repeat("a", MaxLen)
	tests := []struct {
		name    string
		topic   error // of Validate
		pattern error // of ValidatePattern
	}{
		{"a", nil, nil},
		{"a.b.c", nil, nil},
		{"chat.général.日本", nil, nil},
		{"$sys.nodes", nil, nil},
		{"a*.>b.**.>>", nil, nil},
		{"~!@#%^&()_+-={}[]|;:'\"<,?/`", nil, nil},
		{long, nil, nil},
		{strings.Repeat("a.", 127) + "a", nil, nil},
		{"", ErrEmpty, ErrEmpty},
		{long + "a", ErrTooLong, ErrTooLong},
		{strings.Repeat("é", 128), ErrTooLong, ErrTooLong},
		{".", ErrEmptyToken, ErrEmptyToken},
		{".a", ErrEmptyToken, ErrEmptyToken},
		{"a.", ErrEmptyToken, ErrEmptyToken},
		{"a..b", ErrEmptyToken, ErrEmptyToken},
		{"a b", ErrSpace, ErrSpace},
		{"a\tb", ErrSpace, ErrSpace},
		{"a.b\n", ErrSpace, ErrSpace},
		{"a\u00a0b", ErrSpace, ErrSpace},
		{"a\u0085b", ErrSpace, ErrSpace},
		{"a\u2028b", ErrSpace, ErrSpace},
		{"a\u3000b", ErrSpace, ErrSpace},
		{"a\x00b", ErrControl, ErrControl},
		{"a\x7fb", ErrControl, ErrControl},
		{"a\u0090b", ErrControl, ErrControl},
		{"a\xff", ErrEncoding, ErrEncoding},
		{"a\xc3", ErrEncoding, ErrEncoding},
		{"\xed\xa0\x80", ErrEncoding, ErrEncoding}, // a surrogate
		{"a\ufffdb", nil, nil},                     // the replacement character itself is valid
		{"*", ErrWildcard, nil},
		{">", ErrWildcard, nil},
		{"a.*.b", ErrWildcard, nil},
		{"*.*.>", ErrWildcard, nil},
		{"$sys.>", ErrWildcard, nil},
		{">.a", ErrWildcard, ErrTail},
		{"a.>.b", ErrWildcard, ErrTail},
		{"a.>.", ErrWildcard, ErrTail},
		{"a.*.", ErrWildcard, ErrEmptyToken},
	}
	for _, tt := range tests {
		if got := Validate(tt.name); !errors.Is(got, tt.topic) {
			t.Errorf("Validate(%q) = %v, want %v", tt.name, got, tt.topic)
		}
		if got := ValidatePattern(tt.name); !errors.Is(got, tt.pattern) {
			t.Errorf("ValidatePattern(%q) = %v, want %v", tt.name, got, tt.pattern)
		}
		if wild := errors.Is(tt.topic, ErrWildcard) && tt.pattern == nil; tt.pattern == nil && IsPattern(tt.name) != wild {
			t.Errorf("IsPattern(%q) = %v", tt.name, !wild)
		}
	}
}

func TestIsSystem(t *testing.T) {
	for name, want := range map[string]bool{"": false, "a": false, "a.$b": false, "$": true, "$sys.a": true} {
		if got := IsSystem(name); got != want {
			t.Errorf("IsSystem(%q) = %v", name, got)
		}
	}
}

func TestAllocations(t *testing.T) {
	tree := new(Tree[int])
	for i, p := range patterns {
		tree.Set(p, i)
	}
	var seen int
	visit := func(string, int) { seen++ }
	grants := &Grants{Publish: []string{"a.b", "chat.>"}, Subscribe: []string{"a.*", "chat.>"}}
	for name, f := range map[string]func(){
		"Validate":        func() { _ = Validate("chat.rooms.général.42") },
		"Validate error":  func() { _ = Validate("chat..42") },
		"ValidatePattern": func() { _ = ValidatePattern("chat.*.general.>") },
		"IsPattern":       func() { _ = IsPattern("chat.rooms.>") },
		"Match":           func() { _ = Match("chat.*.general.>", "chat.rooms.general.42.x") },
		"Covers":          func() { _ = Covers("chat.>", "chat.*.general.>") },
		"Tree.Match":      func() { tree.Match("chat.rooms.general.42", visit) },
		"Tree.Get":        func() { _, _ = tree.Get("chat.rooms.general.42") },
		"CanPublish":      func() { _ = grants.CanPublish("chat.rooms.general") },
		"CanSubscribe":    func() { _ = grants.CanSubscribe("chat.rooms.>") },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
	if seen == 0 {
		t.Error("Tree.Match visited nothing")
	}
}

func BenchmarkValidate(b *testing.B) {
	for b.Loop() {
		if err := Validate("chat.rooms.general.42"); err != nil {
			b.Fatal(err)
		}
	}
}
