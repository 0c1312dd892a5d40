package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someRules = `
rules:
  - {name: rooms, rooms: [a], actions: [drop: ]}
  - {name: other, topics: ["news.>"], actions: [drop: ]}
  - {name: kind, when: payload.kind == "card", actions: [drop: ]}
  - {name: admin, when: '"admin" in roles', actions: [stop: ]}
  - {name: mask, topics: ["chat.*"], when: 'user != "bob"', actions: [transform: '{"by": user}', set: {n: '1'}, copy: {topic: audit}]}
  - {name: limit, topics: ["chat.*"], actions: [rate_limit: {rate: 1}]}
  - {name: broken, topics: [chat.broken], actions: [transform: payload.none]}
  - {name: away, topics: [chat.away], actions: [redirect: {room: r}]}
`

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func runRules(stdin string, args ...string) (code int, stdout, stderr string) {
	var out, err strings.Builder
	code = Rules(args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

func TestRulesCheck(t *testing.T) {
	good, bad := file(t, someRules), file(t, "rules:\n- {name: a, when: paylod}\n- {}\n")
	if code, out, err := runRules("", "check", good); code != 0 || out != good+": good, 8 rules\n" || err != "" {
		t.Errorf("%d %q %q", code, out, err)
	}
	want := bad + ":2: rules[0].when: column 1: undeclared reference to 'paylod' (did you mean 'payload'?)\n" +
		bad + ":2: rules[0].actions: required\n" + bad + ":3: rules[1].name: required\n" + bad + ":3: rules[1].actions: required\n"
	if code, out, err := runRules("", "check", good, bad); code != 1 || out != good+": good, 8 rules\n" || err != want {
		t.Errorf("%d %q\n got %s\nwant %s", code, out, err, want)
	}
}

func TestRulesTest(t *testing.T) {
	rules := file(t, someRules)
	broadcast := func(topic string) string {
		return `{"type":"Broadcast","data":{"topic":"` + topic + `","payload":{"kind" : "text"}}}`
	}
	const skipped = `rooms: not asked, it is not for a Broadcast
other: not asked, none of its topics (news.>) matches TOPIC
kind: does not match
  when payload.kind == "card"
    is false
`
	const notAdmin = "admin: does not match\n  when \"admin\" in roles\n    is false\n"
	const masked = `mask: matches
  when user != "bob"
    is true
  transform: {"by":"alice"}
  set: "n":1
  copy: topic audit
limit: matches
  rate_limit: allowed
`
	const copied = `copy: to topic audit
  payload: {"by":"alice"}
  metadata: {"n":1}
`
	for _, tt := range []struct {
		topic string
		args  []string
		want  string
	}{
		{"chat.a", nil, skipped + notAdmin + masked + `broken: not asked, none of its topics (chat.broken) matches chat.a
away: not asked, none of its topics (chat.away) matches chat.a
outcome: pass, to topic chat.a
  payload: {"by":"alice"}
  metadata: {"n":1}
` + copied},
		{"chat.a", []string{"-roles", "user,admin"}, skipped + `admin: matches
  when "admin" in roles
    is true
  stop
outcome: pass, to topic chat.a
  payload: {"kind" : "text"}
`},
		{"chat.broken", []string{"--user=bob"}, skipped + notAdmin + `mask: does not match
  when user != "bob"
    is false
limit: matches
  rate_limit: allowed
broken: matches
  transform: error: no such key: none
  failed: the message is rejected (on_error: reject)
outcome: reject by broken: Error 500 rule broken could not be applied to this message
`},
		{"chat.away", nil, skipped + notAdmin + masked + `broken: not asked, none of its topics (chat.broken) matches chat.away
away: matches
  redirect: room r
outcome: redirect, to room r
  payload: {"by":"alice"}
  metadata: {"n":1}
` + copied},
	} {
		code, out, err := runRules("", append([]string{"test", rules, "-message", broadcast(tt.topic)}, tt.args...)...)
		if want := strings.ReplaceAll(tt.want, "TOPIC", tt.topic); code != 0 || err != "" || out != want {
			t.Errorf("%s %v: %d %q\n got %s\nwant %s", tt.topic, tt.args, code, err, out, want)
		}
	}
	room := `{"type":"RoomMessage","data":{"room":"a","payload":1}}`
	for _, args := range [][]string{{"-message", "-"}, {"-message", "@" + file(t, room)}} {
		if code, out, err := runRules(room, append(append([]string{"test"}, args...), rules)...); code != 0 || err != "" ||
			out != "rooms: matches\n  drop\noutcome: drop by rooms\n" {
			t.Errorf("%v: %d %q %q", args, code, out, err)
		}
	}
}

func TestRulesMisused(t *testing.T) {
	rules := file(t, someRules)
	for _, tt := range []struct {
		code int
		args []string
		want string // in standard error
	}{
		{2, nil, "Usage: realtime rules check"},
		{2, []string{"chek"}, "Usage: realtime rules check"},
		{2, []string{"check"}, "Usage: realtime rules check"},
		{2, []string{"test", rules}, "Usage: realtime rules check"},
		{2, []string{"test", rules, "-mesage", "x"}, "flag provided but not defined: -mesage"},
		{2, []string{"test", rules, rules, "-message", "x"}, "unexpected argument"},
		{1, []string{"check", rules + "x"}, "cannot be read: no such file or directory"},
		{1, []string{"test", rules + "x", "-message", "x"}, "cannot be read: no such file or directory"},
		{1, []string{"test", rules, "-message", "x"}, "message: invalid character"},
		{1, []string{"test", rules, "-message", "{}"}, "message: type: must be Broadcast, RoomMessage or DirectMessage"},
		{1, []string{"test", rules, "-message", `{"type":"Broadcast"}`}, "message: data.topic: required"},
		{1, []string{"test", rules, "-message", `{"type":"DirectMessage","data":{"target_user":"a"}}`}, "message: data.payload: required"},
		{1, []string{"test", rules, "-message", `{"type":"Broadcast","data":{"topic":"a b","payload":1}}`}, "message: data.topic: "},
		{1, []string{"test", rules, "-message", `{"type":"DirectMessage","data":{"target_user":"a\u0001","payload":1}}`}, "message: data.target_user: must be"},
	} {
		if code, out, err := runRules("", tt.args...); code != tt.code || out != "" || !strings.Contains(err, tt.want) {
			t.Errorf("%v: %d %q %q, want %d %q", tt.args, code, out, err, tt.code, tt.want)
		}
	}
	for _, args := range [][]string{{"help"}, {"check", "-h"}, {"test", "-h"}} {
		if code, out, err := runRules("", args...); code != 0 || out != rulesUsage || err != "" {
			t.Errorf("%v: %d %q %q", args, code, out, err)
		}
	}
}
