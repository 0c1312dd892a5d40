package rules

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"cel.dev/cel-go/common/types"
)

// Judge applies rules to messages. It belongs to one goroutine, and keeps what their rate limits need.
type Judge struct {
	metrics *Metrics // nil: nothing is counted
	trace   *tracer  // nil but on the command line

	set      *Set       // that it is prepared for
	counters []counters // by the number of the rule
	rates    rates

	hits    []int32
	visit   func(pattern string, rules []int32)
	scope   scope
	verdict Verdict
}

// NewJudge makes a Judge. With nil metrics it counts nothing.
func NewJudge(m *Metrics) *Judge {
	j := &Judge{metrics: m}
	j.rates.evicted = m.evictions()
	j.visit = func(_ string, rules []int32) { j.hits = append(j.hits, rules...) }
	return j
}

// Judge tells what the rules of set make of a message at the time now; nil: it passes as it is. A message that no
// rule names by its patterns costs a look into their index, and allocates nothing. The message must not change
// meanwhile; it is not kept, but for its Payload, which a Copy may have.
func (j *Judge) Judge(set *Set, m *Message, now time.Time) *Verdict {
	if set == nil {
		return nil
	}
	if set != j.set {
		j.adopt(set)
	}
	if j.find(m); len(j.hits) == 0 {
		return nil
	}
	j.scope.begin(m)
	j.verdict = Verdict{}
	for _, i := range j.hits {
		if j.apply(set.rules[i], &j.verdict, now) {
			break
		}
	}
	return j.conclude(&j.verdict)
}

// adopt prepares the Judge for other rules. What is known of rate limits that are the same there is kept.
func (j *Judge) adopt(set *Set) {
	j.set = set
	j.counters = j.metrics.of(set)
	j.rates.retain(set)
}

// find collects the rules whose patterns name the message, in their order.
func (j *Judge) find(m *Message) {
	j.hits = j.hits[:0]
	switch m.Kind {
	case Broadcast:
		j.set.topics.Match(m.Key, j.visit)
	case RoomMessage:
		j.set.rooms.Match(m.Key, j.visit)
	case DirectMessage:
		j.hits = append(append(j.hits, j.set.direct...), j.set.users[m.Key]...)
	}
	if len(j.hits) > 1 && !slices.IsSorted(j.hits) {
		slices.Sort(j.hits)
	}
	j.hits = slices.Compact(j.hits)
}

// conclude makes the verdict of what the rules left; nil where that is nothing.
func (j *Judge) conclude(v *Verdict) *Verdict {
	s := &j.scope
	defer s.end()
	if v.Action == Pass || v.Action == Redirect {
		v.Changed = s.changed
		if v.Changed {
			v.Payload = s.bytes
		}
		v.Metadata = s.encoded()
	}
	v.Copies = s.copies
	if v.Action == Pass && !v.Changed && v.Metadata == "" && v.Copies == nil {
		return nil
	}
	out := *v
	return &out
}

// apply applies a rule whose patterns name the message. It reports whether that is the end.
func (j *Judge) apply(r *rule, v *Verdict, now time.Time) (over bool) {
	holds, err := r.holds(&j.scope)
	switch {
	case errors.Is(err, errLimit):
		j.trace.condition(false, err)
		return j.fail(r, v, draft{}, false)
	case err != nil:
		j.trace.condition(false, err)
		j.count(r, unclear)
		return false
	case !holds:
		j.trace.condition(false, nil)
		return false
	}
	j.trace.condition(true, nil)
	var before draft
	if r.skip {
		before = j.scope.keep()
	}
	for i := range r.actions {
		a := &r.actions[i]
		over, outcome, err := j.act(r, a, v, now)
		if err != nil {
			j.trace.action(a, "", err)
			return j.fail(r, v, before, r.skip)
		}
		if j.trace != nil {
			j.trace.action(a, j.result(a, v), nil)
		}
		if over {
			j.count(r, outcome)
			return true
		}
	}
	j.count(r, passed)
	return false
}

// holds evaluates the rule's condition.
func (r *rule) holds(s *scope) (bool, error) {
	if r.when == nil {
		return true, nil
	}
	v, err := r.when.eval(s)
	if err != nil {
		return false, err
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, fmt.Errorf("gives %s, must give bool", v.Type().TypeName())
	}
	return bool(b), nil
}

// fail does what is to be done when a rule could not be applied: it does not count, and what it has done is taken
// back where there is something; or else the message is rejected.
func (j *Judge) fail(r *rule, v *Verdict, before draft, restore bool) (over bool) {
	j.count(r, failed)
	if restore {
		j.scope.restore(before)
	}
	j.trace.failed(r)
	if r.skip {
		return false
	}
	v.Action, v.Rule, v.Code = Reject, r.name, codeFailed
	v.Message = "rule " + r.name + " could not be applied to this message"
	return true
}

// codeFailed is the code of a message that was rejected because a rule failed: not the client's fault.
const codeFailed = 500

// act does one action.
func (j *Judge) act(r *rule, a *action, v *Verdict, now time.Time) (over bool, as outcome, err error) {
	s := &j.scope
	switch a.what {
	case transform:
		if err := s.transform(a.expr, j.set.most); err != nil {
			return false, 0, err
		}
	case set:
		for _, m := range a.set {
			if err := s.set(m.name, m.expr); err != nil {
				return false, 0, fmt.Errorf("%s: %w", m.name, err)
			}
		}
	case copyTo:
		to, err := s.aim(a.target)
		if err == nil {
			err = s.send(to)
		}
		if err != nil {
			return false, 0, err
		}
	case rateLimit:
		wait, ok := j.rates.take(a.limit, s.message, now)
		if !ok {
			v.Action, v.Rule, v.Wait = Limited, r.name, wait
			return true, limited, nil
		}
	case reject:
		v.Action, v.Rule, v.Code, v.Message = Reject, r.name, a.code, a.message
		return true, rejected, nil
	case drop:
		v.Action, v.Rule = Drop, r.name
		return true, dropped, nil
	case redirect:
		to, err := s.aim(a.target)
		if err != nil {
			return false, 0, err
		}
		v.Action, v.Rule, v.To = Redirect, r.name, to
		return true, redirected, nil
	case stop:
		return true, stopped, nil
	}
	return false, 0, nil
}

// result is what an action has done, for people to read.
func (j *Judge) result(a *action, v *Verdict) string {
	switch a.what {
	case transform:
		return text(j.scope.bytes)
	case set:
		return j.scope.encoded()
	case copyTo:
		return j.scope.copies[len(j.scope.copies)-1].Target.String()
	case rateLimit:
		if v.Action == Limited {
			return fmt.Sprintf("refused, to come again in %s", v.Wait)
		}
		return "allowed"
	case reject:
		return fmt.Sprintf("%d %s", a.code, a.message)
	case redirect:
		return v.To.String()
	}
	return ""
}

func (j *Judge) count(r *rule, o outcome) {
	if j.counters != nil {
		j.counters[r.number].inc(o)
	}
}
