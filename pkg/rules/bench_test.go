package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// kilobyte is a payload of 1 kB.
func kilobyte() []byte {
	return fmt.Appendf(nil, `{"id":"01J8ZQ4F","kind":"card","author":{"name":"Alice","team":"support","level":3},`+
		`"text":%q,"tags":["a","b","c","d"],"numbers":[1,2.5,3e2,-4],"seen":false,"reply_to":null,"lang":"en"}`,
		strings.Repeat("The quick brown fox jumps over the lazy dog. ", 18))
}

func mustParse(tb testing.TB, text string) *Set {
	tb.Helper()
	set, err := Parse("rules.yaml", []byte(text), Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

var benchmarks = map[string]struct {
	topic, rules string
	want         Action
	changed      bool
}{
	"no rule concerns it": {"other.room.general", `[{name: a, topics: ["chat.>"], actions: [drop: {}]}]`, Pass, false},
	"condition only": {"chat.room.general",
		`[{name: a, topics: ["chat.>"], when: 'payload.kind == "image"', actions: [drop: {}]}]`, Pass, false},
	"match and transform": {"chat.room.general", `[{name: a, topics: ["chat.>"], when: 'payload.kind == "card" && !("admin" in roles)',
		actions: [transform: '{"kind": "card", "author": payload.author, "text": "***"}']}]`, Pass, true},
	"match and transform, most of it kept": {"chat.room.general", `[{name: a, topics: ["chat.>"], when: 'payload.kind == "card"',
		actions: [transform: '{"kind": "text", "author": payload.author, "text": payload.text, "tags": payload.tags}']}]`, Pass, true},
	"transform that is limited": {"chat.room.general", `[{name: a, topics: ["chat.>"], when: 'payload.tags.exists(t, t == "d")',
		actions: [transform: '{"kind": "text", "text": "from " + payload.author.name}']}]`, Pass, true},
	"regular expression": {"chat.room.general", `[{name: a, topics: ["chat.>"], when: 'payload.kind.matches("^c[a-z]+s$")', actions: [drop: {}]}]`, Pass, false},
	"rate limit":         {"chat.room.general", `[{name: a, topics: ["chat.>"], actions: [rate_limit: {rate: 1000000, burst: 1000000, per: user}]}]`, Pass, false},
}

func BenchmarkJudge(b *testing.B) {
	for name, tt := range benchmarks {
		b.Run(name, func(b *testing.B) {
			set := mustParse(b, "rules: "+tt.rules)
			j := NewJudge(nil)
			m := &Message{Key: tt.topic, User: "bob", Roles: "user\nwriter", Payload: kilobyte()}
			now := time.Unix(1, 0)
			b.SetBytes(int64(len(m.Payload)))
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Millisecond)
				if v := j.Judge(set, m, now); (v != nil && v.Changed) != tt.changed || (v != nil && v.Action != tt.want) {
					b.Fatalf("%+v", v)
				}
			}
		})
	}
}

// TestAllocations: a message that no rule names costs nothing but a look into the index.
func TestAllocations(t *testing.T) {
	tt := benchmarks["no rule concerns it"]
	set := mustParse(t, "rules: "+tt.rules)
	j := NewJudge(nil)
	m := &Message{Key: tt.topic, User: "bob", Payload: kilobyte()}
	for name, set := range map[string]*Set{"other topics": set, "no rules": nil, "an empty file": mustParse(t, "")} {
		if n := testing.AllocsPerRun(100, func() {
			if j.Judge(set, m, time.Time{}) != nil {
				t.Fatal("a verdict")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
