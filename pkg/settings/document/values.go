package document

import (
	"regexp"
	"strconv"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

var ruleName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// IsName reports whether a rule may have this name.
func IsName(name string) bool { return ruleName.MatchString(name) }

// Patterns reads a list of at most most patterns of topics or rooms.
func (r *Reader) Patterns(v Value, most int) (patterns []string) {
	r.Items(v, most, func(v Value) {
		pattern, ok := v.Text()
		if !ok {
			r.Wrong(v.Line, v.Path, "must be a pattern such as \"chat.>\"")
			return
		}
		if err := topic.ValidatePattern(pattern); err != nil {
			r.Wrong(v.Line, v.Path, "%s %v", Quote(pattern), err)
			return
		}
		patterns = append(patterns, pattern)
	})
	return patterns
}

// decimal is how numbers are written: 010 is 8 to some.
var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)

// Number reads a whole number from least to most; 0 where it is none.
func (r *Reader) Number(v Value, least, most int) int {
	text, _ := v.Text()
	n, err := strconv.Atoi(text)
	if err != nil || !decimal.MatchString(text) || n < least || n > most {
		r.Wrong(v.Line, v.Path, "must be %d to %d", least, most)
		return 0
	}
	return n
}
