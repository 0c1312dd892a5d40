package settings

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/settings/document"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]history.Policy{
		"":                          nil,
		"# nothing\n":               nil,
		"---\n":                     nil,
		"{}":                        nil,
		"history:\n":                nil,
		"history: []":               nil,
		"\ufeffhistory: []\n...\n#": nil,
		`history: [{name: a, topics: [b]}]`: {
			{Name: "a", Topics: []string{"b"}, Size: history.DefaultSize, Age: history.DefaultAge},
		},
		`
history:
  - name: 12
    topics: [ "*", 1.5, true, "$sys.>" ]
    rooms:
  - &one
    name: A-_z
    topics: []
    rooms: [">", ü]
    size: 1000000
    age: 365d
    replicas: 5
  - name: last
    rooms: [a.*.>]
    size: 1
    age: 1h30m
    replicas: 0
`: {
			{Name: "12", Topics: []string{"*", "1.5", "true", "$sys.>"}, Size: 1000, Age: 24 * time.Hour},
			{Name: "A-_z", Rooms: []string{">", "ü"}, Size: 1_000_000, Age: 8760 * time.Hour, Replicas: 5},
			{Name: "last", Rooms: []string{"a.*.>"}, Size: 1, Age: 90 * time.Minute},
		},
		"history: [{name: a, topics: &t [b]}, {name: c, topics: *t}]": {
			{Name: "a", Topics: []string{"b"}, Size: 1000, Age: 24 * time.Hour},
			{Name: "c", Topics: []string{"b"}, Size: 1000, Age: 24 * time.Hour},
		},
	} {
		got, err := Parse("f", []byte(text))
		if err != nil || !slices.EqualFunc(got.History, want, func(a, b *history.Rule) bool { return reflect.DeepEqual(a, b) }) {
			t.Errorf("%q: %+v, %v", text, got.History, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"history":                            `f:1: must be fields: history`,
		"[]":                                 `f:1: must be fields: history`,
		"rules: []":                          `f:1: "rules": no such field, there are: history`,
		"? [a]\n: b":                         `f:1: "": no such field, there are: history`,
		"history: []\nhistory: []":           `f:2: history: given twice`,
		"history: []\n---\nhistory: []":      `f:2: a second document: there is only one`,
		"history: x":                         `f:1: history: must be a list`,
		"history: {name: a}":                 `f:1: history: must be a list`,
		"history: [a]":                       `f:1: history[0]: must be fields: age, name, replicas, rooms, size, topics`,
		"history:\n-":                        `f:2: history[0]: must be fields: age, name, replicas, rooms, size, topics`,
		"history: [{}]":                      `f:1: history[0]: needs a name, and topics or rooms`,
		"history: [{name: a}]":               `f:1: history[0]: needs topics or rooms`,
		"history: [{name: a, rooms: []}]":    `f:1: history[0]: needs topics or rooms`,
		"history:\n- topics: [a]":            `f:2: history[0].name: required`,
		"history:\n- name:\n  topics: [a]":   `f:2: history[0].name: must be 1 to 32 letters, digits, - and _`,
		"history: [{name: a.b, rooms: [x]}]": `f:1: history[0].name: must be 1 to 32 letters, digits, - and _`,
		"history: [{name: [a], rooms: [x]}]": `f:1: history[0].name: must be 1 to 32 letters, digits, - and _`,
		"history: [{name: " + strings.Repeat("x", 33) + ", rooms: [x]}]":  `f:1: history[0].name: must be 1 to 32 letters, digits, - and _`,
		"history:\n- {name: a, rooms: [x]}\n- {name: a, rooms: [y]}":      `f:3: history[1].name: a is the name of history[0]`,
		"history:\n- name: a\n  topics: x":                                `f:3: history[0].topics: must be a list`,
		"history:\n- name: a\n  topics:\n  - x\n  - a..b":                 `f:5: history[0].topics[1]: "a..b" has an empty token`,
		"history:\n- name: a\n  rooms: [x, {}]":                           `f:3: history[0].rooms[1]: must be a pattern such as "chat.>"`,
		"history:\n- name: a\n  rooms: [x, ~]":                            `f:3: history[0].rooms[1]: must be a pattern such as "chat.>"`,
		"history:\n- name: a\n  rooms:\n  - >\n  - y":                     `f:4: history[0].rooms[0]: "" is empty`,
		"history:\n- name: a\n  rooms: [x]\n  size: 0":                    `f:4: history[0].size: must be 1 to 1000000`,
		"history:\n- name: a\n  rooms: [x]\n  size: 1000001":              `f:4: history[0].size: must be 1 to 1000000`,
		"history:\n- name: a\n  rooms: [x]\n  size: 010":                  `f:4: history[0].size: must be 1 to 1000000`,
		"history:\n- name: a\n  rooms: [x]\n  size: 99999999999999999999": `f:4: history[0].size: must be 1 to 1000000`,
		"history:\n- name: a\n  rooms: [x]\n  size: 1e3":                  `f:4: history[0].size: must be 1 to 1000000`,
		"history:\n- name: a\n  rooms: [x]\n  size:":                      `f:4: history[0].size: must be 1 to 1000000`,
		"history:\n- name: a\n  rooms: [x]\n  replicas: 6":                `f:4: history[0].replicas: must be 0 to 5`,
		"history:\n- name: a\n  rooms: [x]\n  replicas: -1":               `f:4: history[0].replicas: must be 0 to 5`,
		"history:\n- name: a\n  rooms: [x]\n  age: 60":                    `f:4: history[0].age: must be a duration such as 30m or 7d, from 1s to 365d`,
		"history:\n- name: a\n  rooms: [x]\n  age: 366d":                  `f:4: history[0].age: must be a duration such as 30m or 7d, from 1s to 365d`,
		"history:\n- name: a\n  rooms: [x]\n  age: 1d12h":                 `f:4: history[0].age: must be a duration such as 30m or 7d, from 1s to 365d`,
		"history:\n- name: a\n  rooms: [x]\n  age: 999ms":                 `f:4: history[0].age: must be a duration such as 30m or 7d, from 1s to 365d`,
		"history:\n- name: a\n  rooms: [x]\n  sise: 1":                    `f:4: history[0]: "sise": no such field, there are: age, name, replicas, rooms, size, topics`,
		"history:\n- &a {name: a, rooms: [x]}\n- {<<: *a, name: b}":       `f:3: history[1]: "<<": no such field, there are: age, name, replicas, rooms, size, topics`,
		"history: &a [*a]": `f:1: history[0]: must be fields: age, name, replicas, rooms, size, topics`,
		"history:\n- name: a\n  size: 1\n  size: 2\n  rooms: [x]":                    `f:4: history[0].size: given twice`,
		"history: [{name: a, rooms: [" + strings.Repeat("x,", maxPatterns+1) + "]}]": `f:1: history[0].rooms: must have at most 1000 items, has 1001`,
		"history: [" + strings.Repeat("{name: a, rooms: [x]},", maxRules+1) + "]":    `f:1: history: must have at most 100 items, has 101`,
		"history:\n- name: a\n  topics: [*.x]":                                       `f:3: did not find expected alphabetic or numeric character (a pattern that begins with * or > needs quotes)`,
		"history:\n- name: a\n  topics:\n  - *x":                                     `f: unknown anchor 'x' referenced (a pattern that begins with * or > needs quotes)`,
		"history:\n\t- name: a":                                                      `f:2: found character that cannot start any token`,
		"history: [\n":                                                               `f:1: did not find expected node content`,
		"a: \x01":                                                                    `f: control characters are not allowed`,
		"\xff":                                                                       `f: invalid leading UTF-8 octet`,
	} {
		_, err := Parse("f", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

// TestAllMistakes: they are told together, in the order of the file.
func TestAllMistakes(t *testing.T) {
	_, err := Parse("conf.yaml", []byte(`
history:
  - topics: [a, b c]
    size: none
    colour: red
  - name: x
    age: 1
`))
	const want = `conf.yaml:3: history[0].topics[1]: "b c" has white space
conf.yaml:3: history[0].name: required
conf.yaml:4: history[0].size: must be 1 to 1000000
conf.yaml:5: history[0]: "colour": no such field, there are: age, name, replicas, rooms, size, topics
conf.yaml:7: history[1].age: must be a duration such as 30m or 7d, from 1s to 365d`
	if err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
	_, err = Parse("f", []byte("history: ["+strings.Repeat("a,", 50)+"]"))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != document.MaxMistakes+1 || lines[document.MaxMistakes] != "f: and 30 mistakes more" {
		t.Errorf("%q", lines)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if s, err := Read(file("good", "history: [{name: a, rooms: [x]}]")); err != nil || len(s.History) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): filepath.Join(dir, "none") + ": cannot be read: no such file or directory",
		dir:                        dir + ": cannot be read: is a directory",
		file("long", strings.Repeat("#", 1+1<<20)): filepath.Join(dir, "long") + ": is longer than 1MiB",
		file("two\nlines", "x"):                    `"` + dir + `/two\nlines":1: must be fields: history`,
	} {
		if _, err := Read(path); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestExample: the example is right, and shows what is the default.
func TestExample(t *testing.T) {
	s, err := Read("../../docs/settings.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.History) != 3 {
		t.Fatalf("%d rules", len(s.History))
	}
	chat := *s.History[0]
	chat.Name, chat.Topics, chat.Rooms = "", nil, nil
	if want := (history.Rule{Size: history.DefaultSize, Age: history.DefaultAge}); !reflect.DeepEqual(chat, want) {
		t.Errorf("%+v, want the defaults, %+v", chat, want)
	}
	for name, want := range map[string]string{"chat.a": "chat", "stock.x.price": "prices", "$audit.x": "audit", "other": "", "$sys": ""} {
		got := ""
		if rule := s.History.OfTopic(name); rule != nil {
			got = rule.Name
		}
		if got != want {
			t.Errorf("%s is of rule %q, want %q", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("../../docs/settings.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("history: &a [*a]"))
	f.Add([]byte("history: [{name: a, topics: [*.x]}]\n---\n"))
	f.Add([]byte("? [a]\n: {<<: *b}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("f", text)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "f:") || len(line) < len("f: x") {
					t.Fatalf("%q: line %q", text, line)
				}
			}
			return
		}
		names := make(map[string]bool)
		for _, r := range s.History {
			if names[r.Name] || !document.IsName(r.Name) || len(r.Topics)+len(r.Rooms) == 0 ||
				r.Size < 1 || r.Size > maxSize || r.Age < minAge || r.Age > maxAge || r.Replicas < 0 || r.Replicas > maxReplicas {
				t.Fatalf("%q: %+v", text, r)
			}
			names[r.Name] = true
		}
	})
}
