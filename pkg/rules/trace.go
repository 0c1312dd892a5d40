package rules

import (
	"strconv"
	"strings"
	"time"
)

// Step is what one rule did with a message, for people to read.
type Step struct {
	Rule    string
	Skipped string // why it was not asked; "": it was
	Matched bool
	Error   string // of its condition
	When    string // its condition; "" where it has none
	Actions []Done
	Failed  string // what became of the message because the rule failed
}

// Done is an action that was done, or failed.
type Done struct{ Action, Result, Error string }

// tracer notes the steps. A nil one notes nothing.
type tracer struct{ steps []Step }

func (t *tracer) last() *Step { return &t.steps[len(t.steps)-1] }

func (t *tracer) condition(holds bool, err error) {
	if t == nil {
		return
	}
	t.last().Matched = holds
	if err != nil {
		t.last().Error = err.Error()
	}
}

func (t *tracer) action(a *action, result string, err error) {
	if t == nil {
		return
	}
	d := Done{Action: a.what.String(), Result: strings.Clone(result)}
	if err != nil {
		d.Error = err.Error()
	}
	t.last().Actions = append(t.last().Actions, d)
}

func (t *tracer) failed(r *rule) {
	if t == nil {
		return
	}
	t.last().Failed = "the message is rejected (on_error: reject)"
	if r.skip {
		t.last().Failed = "the rule does not count (on_error: skip)"
	}
}

// Explain judges a message as a new Judge would, and tells what each rule did up to the one that ended it. The
// verdict is nil where the message passes as it is.
func Explain(set *Set, m *Message, now time.Time) ([]Step, *Verdict) {
	if set == nil {
		return nil, nil
	}
	j := NewJudge(nil)
	j.trace = new(tracer)
	j.adopt(set)
	j.scope.begin(m)
	var v Verdict
	for _, r := range set.rules {
		step := Step{Rule: r.name, Skipped: r.stranger(m)}
		if r.when != nil {
			step.When = oneLine(r.when.text)
		}
		j.trace.steps = append(j.trace.steps, step)
		if step.Skipped == "" && j.apply(r, &v, now) {
			break
		}
	}
	return j.trace.steps, j.conclude(&v)
}

// String is a target as people read it: topic audit.chat.
func (t Target) String() string {
	return [kinds]string{"topic ", "room ", "user "}[t.Kind] + t.Key
}

func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}
