package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// FuzzParse: whatever a file has in it, it is refused with lines that say where, or can be used.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"../../docs/rules.example.yaml", "testdata/mistakes.yaml", "testdata/actions.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		for _, part := range bytes.Split(text, []byte("- name: ")) {
			if _, rules, ok := bytes.Cut(part, []byte("rules: |\n")); ok {
				rules, _, _ = bytes.Cut(rules, []byte("\n  errors"))
				rules, _, _ = bytes.Cut(rules, []byte("\n  messages"))
				f.Add(bytes.ReplaceAll(rules, []byte("\n    "), []byte("\n")))
			}
		}
	}
	f.Add([]byte("rules: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Parse("f", text, Options{})
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "f:") || len(line) < len("f: x") {
					t.Fatalf("%q: line %q", text, line)
				}
			}
			return
		}
		j := NewJudge(nil)
		for k := range kinds {
			m := &Message{Kind: k, Key: "a", User: "u", Payload: []byte(`{"a":[1,"x",null]}`)}
			if v := j.Judge(set, m, time.Unix(1, 0)); v != nil && v.Changed && !json.Valid(v.Payload) {
				t.Fatalf("%q: payload %q", text, v.Payload)
			}
		}
	})
}

// questions are expressions that look at a payload in many ways.
var questions = func() (all []*expression) {
	for _, text := range []string{
		`payload`, `[payload]`, `type(payload)`, `payload.a`, `payload["a"]["b"]`, `payload[0]`, `payload[1][0]`, `has(payload.a)`,
		`has(payload.a.b)`, `"a" in payload`, `1 in payload`, `[1] in payload`, `payload == payload`, `payload == {"a": 1}`, `payload == [1, 2.0]`,
		`{"a": 1} == payload`, `[1, 2.0] == payload`, `payload != 1`, `size(payload)`, `payload.size() > 1`, `payload.all(x, x == x)`,
		`payload.exists(x, x == "a")`, `payload.exists_one(x, x == 1)`, `payload.map(x, x)`, `payload.map(x, payload[x])`,
		`payload.filter(x, x != 1)`, `[payload].map(x, [x]) == [payload].map(x, [x])`, `payload + payload`, `payload + [1]`, `[1] + payload`, `payload.a + payload.b`,
		`payload < 2`, `payload.a > 1.5`, `payload.startsWith("a")`, `payload.a.contains("b")`, `payload ? 1 : 2`, `!payload`, `-payload`,
		`string(payload)`, `int(payload)`, `double(payload.a)`, `payload.a == null`, `payload.map(x, string(x))`, `payload.join(",")`,
		`payload.a.a.a`, `[payload.a, payload.b, payload.c, payload.a, payload.b, payload.a]`, `payload.a == payload.b`, `dyn([payload]) == dyn([payload])`,
	} {
		x, mistakes := compile(text, cel.DynType)
		if mistakes != nil {
			panic(text + ": " + mistakes[0].text)
		}
		all = append(all, x)
	}
	return all
}()

// FuzzValue: what is decoded lazily is what is decoded at once.
func FuzzValue(f *testing.F) {
	for _, text := range []string{
		`null`, ` true `, "\t0 ", `"a\"\\\u00e9\ud83d\ude00\ud800"`, `-0.0e-2`, `123456789012345678901234567890`, `9223372036854775807`, `1e400`,
		`{"a":1,"a":2}`, `{"\u0061":{"b":[]},"b":{"b":[ ]}}`, "[1,2.0]", `[ [1] , [0,{"a":"]"}],"a" ]`, `{"a":"x\\","b":"\"}"}`, ` { } `, `[]`, `["a","b"]`,
		`{"":0,"a":{"a":{"a":"}"}}}`, `"abc"`, `[1,"1",1.5,null,true,{"a":[{}]}]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if !json.Valid(payload) || !utf8.Valid(payload) || len(payload) > 4096 { // as gateways check it
			return
		}
		var decoded any
		d := json.NewDecoder(bytes.NewReader(payload))
		d.UseNumber()
		if err := d.Decode(&decoded); err != nil {
			t.Fatal(err)
		}
		for _, x := range questions {
			lazy, eager := scope{}, scope{}
			lazy.begin(&Message{Payload: payload})
			eager.begin(&Message{Payload: payload})
			eager.payload = types.DefaultTypeAdapter.NativeToValue(plain(decoded))
			got, want := answer(t, x, &lazy), answer(t, x, &eager)
			if got != want {
				t.Errorf("%s of %s:\n lazily %s\nat once %s", x.text, payload, got, want)
			}
		}
	})
}

// plain makes the numbers of a decoded payload what they are to rules.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return types.NewErr("number out of range")
		}
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// answer evaluates x, and writes what it gives as JSON that is decoded and encoded once more: in one form.
func answer(t *testing.T, x *expression, s *scope) string {
	t.Helper()
	v, err := x.eval(s)
	if err != nil {
		return "an error"
	}
	b, err := encode(nil, v, 1<<20)
	if err != nil {
		return "no JSON"
	}
	var again any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&again); err != nil {
		t.Fatalf("%s gives %q: %v", x.text, b, err)
	}
	if l, ok := again.([]any); ok && bytes.HasPrefix(bytes.TrimSpace(s.message.Payload), []byte("{")) {
		slices.SortFunc(l, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) // maps have no order
	}
	if b, err = encode(nil, types.DefaultTypeAdapter.NativeToValue(plain(again)), 1<<20); err != nil {
		return "no JSON"
	}
	return string(b)
}
