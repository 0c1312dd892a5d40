package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// example is one of the corpus: a file of rules, and what is wrong with it or what it makes of messages.
type example struct {
	Name     string
	Rules    string
	Errors   string
	Messages []struct {
		Topic, Room, To, From, Payload string
		Roles                          []string
		After                          time.Duration // since the message before
		Want                           string
	}
}

// TestCorpus: testdata has files of rules, messages, and what becomes of them.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var examples []example
		if err := yaml.Unmarshal(text, &examples); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, e := range examples {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml")+"/"+e.Name, func(t *testing.T) { e.run(t) })
		}
	}
}

func (e *example) run(t *testing.T) {
	set, err := Parse("f", []byte(e.Rules), Options{MaxPayload: 1000})
	if got := fmt.Sprint(err); e.Errors != "" || err != nil {
		if want := strings.TrimSpace(e.Errors); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		return
	}
	if len(e.Messages) == 0 {
		t.Fatal("an example of nothing")
	}
	j := NewJudge(nil)
	now := time.Unix(1_700_000_000, 0)
	for i, in := range e.Messages {
		now = now.Add(in.After)
		m := &Message{User: "alice", Roles: strings.Join(in.Roles, "\n"), Payload: []byte(in.Payload), MessageID: "m1", SentAt: 1700}
		switch {
		case in.Topic != "":
			m.Kind, m.Key = Broadcast, in.Topic
		case in.Room != "":
			m.Kind, m.Key = RoomMessage, in.Room
		default:
			m.Kind, m.Key = DirectMessage, in.To
		}
		if in.From != "" {
			m.User = in.From
		}
		if in.Payload == "" {
			m.Payload = []byte("null")
		}
		_, explained := Explain(set, m, now)
		v := j.Judge(set, m, now)
		if got := brief(v); got != strings.TrimSpace(in.Want) {
			t.Errorf("message %d:\n got %s\nwant %s", i, got, in.Want)
		}
		if v == nil || v.Action != Limited { // what is explained begins with new limits
			if got, want := brief(explained), brief(v); got != want {
				t.Errorf("message %d: explained as %s, is %s", i, got, want)
			}
		}
	}
}

// brief writes a verdict in a line.
func brief(v *Verdict) string {
	if v == nil {
		return "as it is"
	}
	parts := []string{v.Action.String()}
	if v.Action != Pass {
		parts[0] += " by " + v.Rule
	}
	switch v.Action {
	case Reject:
		parts = append(parts, fmt.Sprintf("%d %s", v.Code, v.Message))
	case Limited:
		parts = append(parts, v.Wait.String())
	case Redirect:
		parts = append(parts, "to "+v.To.String())
	}
	if v.Changed {
		parts = append(parts, string(v.Payload))
	}
	if v.Metadata != "" {
		parts = append(parts, "{"+v.Metadata+"}")
	}
	for _, c := range v.Copies {
		parts = append(parts, fmt.Sprintf("copy to %s %s {%s}", c.Target, c.Payload, c.Metadata))
	}
	return strings.Join(parts, "; ")
}

// TestExample: the example is right, and does what its comments say.
func TestExample(t *testing.T) {
	body, err := os.ReadFile("../../docs/rules.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, err := Parse("rules.example.yaml", body, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		`{"kind":"card","text":"4111 1111 1111 1111"}`: `pass; {"kind":"card","text":"***"}; {"reviewed":true,"by":"mask-cards"}; ` +
			`copy to topic audit.chat.lobby {"kind":"card","text":"***"} {"reviewed":true,"by":"mask-cards"}`,
		`{"kind":"text","text":"hello"}`: "as it is",
	} {
		m := &Message{Key: "chat.lobby", User: "bob", Payload: []byte(in)}
		if got := brief(NewJudge(nil).Judge(set, m, time.Unix(0, 0))); got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
}
