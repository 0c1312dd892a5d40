package protocol

import (
	"testing"

	"github.com/tidwall/gjson"
)

// members finds what gjson finds, and the raw text byte for byte.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":1,"a":2}`, `{ "a" : "x\"}" , "b\n\u0041" : [ {"c":"]"} , 2 ] , "":null }`,
		`{"n":-1.5e+10,"t":true,"f":false}`, `[1]`, `"x"`, `1`, `{"a":{"b":{"c":[[[]]]}},"d":"\\"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !gjson.Valid(s) {
			return
		}
		type member struct{ key, raw string }
		var want, got []member
		if root := gjson.Parse(s); root.IsObject() {
			root.ForEach(func(k, v gjson.Result) bool {
				want = append(want, member{k.Str, v.Raw})
				return true
			})
		}
		for key, raw := range members(s) {
			got = append(got, member{key, raw})
		}
		if len(got) != len(want) {
			t.Fatalf("%d members, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("member %d: %q, want %q", i, got[i], want[i])
			}
		}
	})
}
