package settings

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

const (
	maxRules    = 100
	maxPatterns = 1000 // of a rule's topics, and of its rooms
	maxSize     = 1_000_000
	minAge      = time.Second
	maxAge      = 8760 * time.Hour
	maxReplicas = 5
)

var ruleName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// policy reads the list history.
func (r *reader) policy(v value) (p history.Policy) {
	named := make(map[string]string) // path by name
	r.items(v, maxRules, func(v value) {
		if rule := r.rule(v, named); rule != nil {
			p = append(p, rule)
		}
	})
	return p
}

func (r *reader) rule(v value, named map[string]string) *history.Rule {
	rule := &history.Rule{Size: history.DefaultSize, Age: history.DefaultAge}
	before := len(r.mistakes)
	there := r.fields(v.Node, v.path, map[string]read{
		"name": func(v value) {
			name, _ := v.text()
			switch other := named[name]; {
			case !ruleName.MatchString(name):
				r.wrong(v.Line, v.path, "must be 1 to 32 letters, digits, - and _")
			case other != "":
				r.wrong(v.Line, v.path, "%s is the name of %s", name, other)
			default:
				rule.Name, named[name] = name, strings.TrimSuffix(v.path, ".name")
			}
		},
		"topics":   func(v value) { rule.Topics = r.patterns(v) },
		"rooms":    func(v value) { rule.Rooms = r.patterns(v) },
		"size":     func(v value) { rule.Size = r.number(v, 1, maxSize) },
		"age":      func(v value) { rule.Age = r.age(v) },
		"replicas": func(v value) { rule.Replicas = r.number(v, 0, maxReplicas) },
	})
	if len(there) > 0 && !there["name"] {
		r.wrong(v.Line, v.path+".name", "required")
	}
	if len(there) > 0 && len(r.mistakes) == before && len(rule.Topics)+len(rule.Rooms) == 0 {
		r.wrong(v.Line, v.path, "needs topics or rooms")
	}
	if len(there) == 0 && len(r.mistakes) == before {
		r.wrong(v.Line, v.path, "needs a name, and topics or rooms")
	}
	return rule
}

func (r *reader) patterns(v value) (patterns []string) {
	r.items(v, maxPatterns, func(v value) {
		pattern, ok := v.text()
		if !ok {
			r.wrong(v.Line, v.path, "must be a pattern such as \"chat.>\"")
			return
		}
		if err := topic.ValidatePattern(pattern); err != nil {
			r.wrong(v.Line, v.path, "%s %v", quote(pattern), err)
			return
		}
		patterns = append(patterns, pattern)
	})
	return patterns
}

// decimal is how numbers are written: 010 is 8 to some.
var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)

func (r *reader) number(v value, least, most int) int {
	text, _ := v.text()
	n, err := strconv.Atoi(text)
	if err != nil || !decimal.MatchString(text) || n < least || n > most {
		r.wrong(v.Line, v.path, "must be %d to %d", least, most)
		return 0
	}
	return n
}

var days = regexp.MustCompile(`^([1-9][0-9]{0,3})d$`)

// age reads a duration as Go writes it, or whole days such as 7d.
func (r *reader) age(v value) time.Duration {
	text, _ := v.text()
	age, err := time.ParseDuration(text)
	if m := days.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		age, err = time.Duration(n)*24*time.Hour, nil
	}
	if err != nil || age < minAge || age > maxAge {
		r.wrong(v.Line, v.path, "must be a duration such as 30m or 7d, from 1s to 365d")
		return 0
	}
	return age
}
