package settings

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/settings/document"
)

const (
	maxRules    = 100
	maxPatterns = 1000 // of a rule's topics, and of its rooms
	maxSize     = 1_000_000
	minAge      = time.Second
	maxAge      = 8760 * time.Hour
	maxReplicas = 5
)

// reader reads a settings file.
type reader struct{ *document.Reader }

// policy reads the list history.
func (r reader) policy(v document.Value) (p history.Policy) {
	named := make(map[string]string) // path by name
	r.Items(v, maxRules, func(v document.Value) {
		if rule := r.rule(v, named); rule != nil {
			p = append(p, rule)
		}
	})
	return p
}

func (r reader) rule(v document.Value, named map[string]string) *history.Rule {
	rule := &history.Rule{Size: history.DefaultSize, Age: history.DefaultAge}
	before := r.Mistakes()
	there := r.Fields(v.Node, v.Path, document.Fields{
		"name": func(v document.Value) {
			name, _ := v.Text()
			switch other := named[name]; {
			case !document.IsName(name):
				r.Wrong(v.Line, v.Path, "must be 1 to 32 letters, digits, - and _")
			case other != "":
				r.Wrong(v.Line, v.Path, "%s is the name of %s", name, other)
			default:
				rule.Name, named[name] = name, strings.TrimSuffix(v.Path, ".name")
			}
		},
		"topics":   func(v document.Value) { rule.Topics = r.Patterns(v, maxPatterns) },
		"rooms":    func(v document.Value) { rule.Rooms = r.Patterns(v, maxPatterns) },
		"size":     func(v document.Value) { rule.Size = r.Number(v, 1, maxSize) },
		"age":      func(v document.Value) { rule.Age = r.age(v) },
		"replicas": func(v document.Value) { rule.Replicas = r.Number(v, 0, maxReplicas) },
	})
	if len(there) > 0 && !there["name"] {
		r.Wrong(v.Line, v.Path+".name", "required")
	}
	if len(there) > 0 && r.Mistakes() == before && len(rule.Topics)+len(rule.Rooms) == 0 {
		r.Wrong(v.Line, v.Path, "needs topics or rooms")
	}
	if len(there) == 0 && r.Mistakes() == before {
		r.Wrong(v.Line, v.Path, "needs a name, and topics or rooms")
	}
	return rule
}

var days = regexp.MustCompile(`^([1-9][0-9]{0,3})d$`)

// age reads a duration as Go writes it, or whole days such as 7d.
func (r reader) age(v document.Value) time.Duration {
	text, _ := v.Text()
	age, err := time.ParseDuration(text)
	if m := days.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		age, err = time.Duration(n)*24*time.Hour, nil
	}
	if err != nil || age < minAge || age > maxAge {
		r.Wrong(v.Line, v.Path, "must be a duration such as 30m or 7d, from 1s to 365d")
		return 0
	}
	return age
}
