package rules

import (
	"cmp"
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"github.com/realtime-cluster/realtime/pkg/limit"
	"github.com/realtime-cluster/realtime/pkg/settings/document"
)

const (
	maxRules    = 1000
	maxPatterns = 1000 // of a rule's topics, its rooms and its users
	maxActions  = 20   // of a rule
	maxRate     = 1_000_000
	minRate     = 0.001
	maxMessage  = 256 // bytes of what a rejected client is told

	defaultPayload = 64 << 10
	defaultCode    = 403
)

// Options are what holds for all rules.
type Options struct {
	MaxPayload int // bytes of a payload that a rule makes; 0: 64 KiB
}

// Parse reads the rules of a YAML document. The error has a line for each mistake that it found, in the order of
// the document:
//
//	name:4: rules[0].when: column 9: undeclared reference to 'paylod' (in container ”)
func Parse(name string, text []byte, o Options) (*Set, error) {
	r := reader{Reader: document.NewReader(name), names: make(map[string]string)}
	s := &Set{most: cmp.Or(o.MaxPayload, defaultPayload)}
	if root := r.Document(text); root != nil {
		r.Fields(root, "", document.Fields{
			"rules": func(v document.Value) {
				r.Items(v, maxRules, func(v document.Value) { s.rules = append(s.rules, r.rule(v, len(s.rules))) })
			},
		})
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	s.index()
	return s, nil
}

// reader reads a file of rules.
type reader struct {
	*document.Reader
	names map[string]string // path by the name of a rule
}

func (r *reader) rule(v document.Value, number int) *rule {
	rule := &rule{number: number}
	var types, actions document.Value
	before := r.Mistakes()
	there := r.Fields(v.Node, v.Path, document.Fields{
		"name":     func(v document.Value) { rule.name = r.name(v) },
		"types":    func(v document.Value) { types = v },
		"topics":   func(v document.Value) { rule.topics = r.Patterns(v, maxPatterns) },
		"rooms":    func(v document.Value) { rule.rooms = r.Patterns(v, maxPatterns) },
		"users":    func(v document.Value) { rule.users = r.users(v) },
		"when":     func(v document.Value) { rule.when = r.expression(v, cel.BoolType) },
		"on_error": func(v document.Value) { rule.skip = r.word(v, "reject", "skip") == "skip" },
		"actions":  func(v document.Value) { actions = v },
	})
	if len(there) == 0 && r.Mistakes() > before {
		return rule // it is no rule at all
	}
	for _, required := range []string{"name", "actions"} {
		if !there[required] {
			r.Wrong(v.Line, v.Path+"."+required, "required")
		}
	}
	if r.Mistakes() == before { // else a list may be empty because what is in it is wrong
		for k, list := range [kinds][]string{rule.topics, rule.rooms, rule.users} {
			if there[selects[k]] && len(list) == 0 {
				r.Wrong(v.Line, v.Path+"."+selects[k], "is empty: leave it out, or name one at least")
			}
		}
	}
	r.kinds(rule, v, types, there)
	if actions.Node != nil {
		r.actions(rule, actions)
	}
	return rule
}

func (r *reader) name(v document.Value) string {
	name, _ := v.Text()
	switch other := r.names[name]; {
	case !document.IsName(name):
		r.Wrong(v.Line, v.Path, "must be 1 to 32 letters, digits, - and _")
	case other != "":
		r.Wrong(v.Line, v.Path, "%s is the name of %s", name, other)
	default:
		r.names[name] = strings.TrimSuffix(v.Path, ".name")
	}
	return name
}

// selects are the fields that say which messages of a kind a rule is for.
var selects = [kinds]string{"topics", "rooms", "users"}

// kinds decides which types of messages the rule is for: those that are given; else those of its patterns; else all.
func (r *reader) kinds(rule *rule, v, types document.Value, there map[string]bool) {
	if types.Node == nil {
		all := !there["topics"] && !there["rooms"] && !there["users"]
		for k, field := range selects {
			rule.kinds[k] = all || there[field]
		}
		return
	}
	before := r.Mistakes()
	r.Items(types, int(kinds), func(v document.Value) {
		name := r.word(v, kindNames[:]...)
		for k := range kinds {
			rule.kinds[k] = rule.kinds[k] || name == k.String()
		}
	})
	if r.Mistakes() > before {
		return
	}
	if rule.kinds == [kinds]bool{} {
		r.Wrong(types.Line, types.Path, "is empty: leave it out, or name one at least")
		return
	}
	for k, field := range selects {
		if there[field] && !rule.kinds[k] {
			r.Wrong(v.Line, v.Path+"."+field, "%s is not among the types", Kind(k))
		}
	}
}

func (r *reader) users(v document.Value) (users []string) {
	r.Items(v, maxPatterns, func(v document.Value) {
		user, ok := v.Text()
		if err := validateUser(user); !ok || err != nil {
			r.Wrong(v.Line, v.Path, "must be the name of a user, or \"*\" for all")
			return
		}
		users = append(users, user)
	})
	return users
}

// validateUser reports why nobody can be called like that.
func validateUser(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > maxUser:
		return errors.New("is longer than 128 bytes")
	case !utf8.ValidString(name):
		return errors.New("is not valid UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("has a control character")
	}
	return nil
}

// word reads one of several words; "" where it is none of them.
func (r *reader) word(v document.Value, words ...string) string {
	text, _ := v.Text()
	for _, w := range words {
		if text == w {
			return w
		}
	}
	r.Wrong(v.Line, v.Path, "must be %s", strings.Join(words, " or "))
	return ""
}

// expression reads a CEL expression. Its mistakes have the line of the file where YAML keeps lines as they are.
func (r *reader) expression(v document.Value, want *cel.Type) *expression {
	text, ok := v.Text()
	if !ok {
		r.Wrong(v.Line, v.Path, "must be a CEL expression, in quotes")
		return nil
	}
	x, mistakes := compile(text, want)
	for _, m := range mistakes {
		line, where := v.Line, ""
		switch {
		case m.line <= 0:
		case v.Style&yaml.LiteralStyle != 0:
			line, where = v.Line+m.line, "column "+strconv.Itoa(m.column)+": "
		case m.line == 1:
			where = "column " + strconv.Itoa(m.column) + ": "
		default:
			where = "line " + strconv.Itoa(m.line) + " of it, column " + strconv.Itoa(m.column) + ": "
		}
		r.Wrong(line, v.Path, "%s%s", where, m.text)
	}
	return x
}

func (r *reader) actions(rule *rule, v document.Value) {
	before := r.Mistakes()
	r.Items(v, maxActions, func(v document.Value) {
		if n := len(rule.actions); n > 0 && rule.actions[n-1].what.last() {
			r.Wrong(v.Line, v.Path, "is never reached: %s ends it", rule.actions[n-1].what)
			return
		}
		if a, ok := r.action(rule, v); ok {
			rule.actions = append(rule.actions, a)
		}
	})
	if len(rule.actions) == 0 && r.Mistakes() == before {
		r.Wrong(v.Line, v.Path, "is empty: name one action at least")
	}
}

// action reads an action: a mapping with its name alone.
func (r *reader) action(rule *rule, v document.Value) (a action, ok bool) {
	is := func(w what, read func(v document.Value)) document.Read {
		return func(v document.Value) {
			a.what = w
			read(v)
		}
	}
	nothing := func(v document.Value) { r.options(v, document.Fields{}) }
	before := r.Mistakes()
	there := r.Fields(v.Node, v.Path, document.Fields{
		"transform":  is(transform, func(v document.Value) { a.expr = r.expression(v, cel.DynType) }),
		"set":        is(set, func(v document.Value) { a.set = r.settings(v) }),
		"copy":       is(copyTo, func(v document.Value) { a.target = r.destination(v) }),
		"redirect":   is(redirect, func(v document.Value) { a.target = r.destination(v) }),
		"rate_limit": is(rateLimit, func(v document.Value) { a.limit = r.limiter(rule, v) }),
		"reject":     is(reject, func(v document.Value) { r.reject(rule, &a, v) }),
		"drop":       is(drop, nothing),
		"stop":       is(stop, nothing),
	})
	if len(there) != 1 && r.Mistakes() == before {
		r.Wrong(v.Line, v.Path, "must be one action, has %d", len(there))
	}
	return a, len(there) == 1
}

// options reads the fields of an action, which it may have none of.
func (r *reader) options(v document.Value, known document.Fields) map[string]bool {
	if v.Kind == yaml.ScalarNode && v.ShortTag() == "!!null" {
		return nil
	}
	if len(known) == 0 && (v.Kind != yaml.MappingNode || len(v.Content) > 0) {
		r.Wrong(v.Line, v.Path, "must be {}")
		return nil
	}
	return r.Fields(v.Node, v.Path, known)
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,31}$`)

// taken are the members of the metadata that are not the rules' to set.
var taken = map[string]bool{"message_id": true, "sent_at": true, "offset": true, "epoch": true, "queued": true}

// settings reads the members of set, which may have any names.
func (r *reader) settings(v document.Value) (all []setting) {
	if v.Kind != yaml.MappingNode || len(v.Content) == 0 {
		r.Wrong(v.Line, v.Path, "must be names and their values, which are CEL expressions")
		return nil
	}
	known := make(document.Fields)
	for i := 0; i < len(v.Content); i += 2 {
		name := v.Content[i].Value
		switch {
		case v.Content[i].Kind != yaml.ScalarNode || !settingName.MatchString(name):
			r.Wrong(v.Content[i].Line, v.Path, "%s: must be 1 to 32 letters, digits and _, no digit first", quote(name))
		case taken[name]:
			r.Wrong(v.Content[i].Line, v.Path, "%s is not for rules to set", name)
		default:
			known[name] = func(v document.Value) { all = append(all, setting{name, r.expression(v, cel.DynType)}) }
			continue
		}
		known[name] = func(document.Value) {}
	}
	r.Fields(v.Node, v.Path, known)
	return all
}

// destination reads where copy and redirect go: one of six fields.
func (r *reader) destination(v document.Value) (d destination) {
	known := make(document.Fields)
	for k, field := range [kinds]string{"topic", "room", "user"} {
		known[field] = func(v document.Value) {
			key, _ := v.Text()
			d.Target = Target{Kind(k), key}
			if err := d.Kind.validate(key); err != nil {
				r.Wrong(v.Line, v.Path, "%s %v", quote(key), err)
			}
		}
		known[field+"_expression"] = func(v document.Value) {
			d.Kind, d.expr = Kind(k), r.expression(v, cel.StringType)
		}
	}
	before := r.Mistakes()
	if there := r.Fields(v.Node, v.Path, known); len(there) != 1 && r.Mistakes() == before {
		r.Wrong(v.Line, v.Path, "must have one of topic, room, user, or one of these with _expression")
	}
	return d
}

func (r *reader) limiter(rule *rule, v document.Value) *limiter {
	id := limiterID{rule: rule.name}
	for _, a := range rule.actions {
		if a.what == rateLimit {
			id.ordinal++
		}
	}
	before := r.Mistakes()
	there := r.Fields(v.Node, v.Path, document.Fields{
		"rate": func(v document.Value) {
			text, _ := v.Text()
			var err error
			if id.rate, err = strconv.ParseFloat(text, 64); err != nil || !(id.rate >= minRate && id.rate <= maxRate) {
				r.Wrong(v.Line, v.Path, "must be messages a second, %v to %d", minRate, maxRate)
			}
		},
		"burst": func(v document.Value) { id.burst = r.Number(v, 1, maxRate) },
		"per":   func(v document.Value) { id.perUser = r.word(v, "topic", "user") == "user" },
	})
	if len(there) > 0 && !there["rate"] {
		r.Wrong(v.Line, v.Path+".rate", "required")
	}
	if r.Mistakes() > before {
		return nil
	}
	if !there["burst"] {
		id.burst = int(math.Ceil(id.rate))
	}
	return &limiter{id: id, rate: limit.NewRate(id.rate, float64(id.burst)), perUser: id.perUser}
}

func (r *reader) reject(rule *rule, a *action, v document.Value) {
	a.code, a.message = defaultCode, "refused by rule "+rule.name
	r.options(v, document.Fields{
		"code": func(v document.Value) { a.code = r.Number(v, 400, 499) },
		"message": func(v document.Value) {
			text, ok := v.Text()
			if !ok || text == "" || len(text) > maxMessage || !utf8.ValidString(text) {
				r.Wrong(v.Line, v.Path, "must be a text of 1 to %d bytes", maxMessage)
			}
			a.message = text
		},
	})
}
