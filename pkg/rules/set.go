package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/limit"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

// Set is the rules of a file, in their order. It is immutable; nil is a Set without rules.
type Set struct {
	rules  []*rule
	topics topic.Tree[[]int32] // rules of Broadcasts by pattern, ascending
	rooms  topic.Tree[[]int32]
	users  map[string][]int32 // rules of direct messages by target user
	direct []int32            // those for every target
	most   int                // bytes of a payload that a rule makes
}

// Len is how many rules there are.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.rules)
}

// rule is one of the list. Its patterns, and those alone, decide what its condition is asked about.
type rule struct {
	number  int
	name    string
	kinds   [kinds]bool
	topics  []string // nil: all
	rooms   []string
	users   []string
	when    *expression // nil: always
	actions []action
	skip    bool // when it fails it does not count, rather than rejecting the message
}

// action is one thing that a rule does; which of the fields it has depends on what.
type action struct {
	what    what
	expr    *expression // of transform
	set     []setting
	target  destination // of copy and redirect
	limit   *limiter
	code    int // of reject
	message string
}

type what uint8

const (
	transform what = iota
	set
	copyTo
	rateLimit
	reject
	drop
	redirect
	stop
)

var whats = [...]string{"transform", "set", "copy", "rate_limit", "reject", "drop", "redirect", "stop"}

func (w what) String() string { return whats[w] }

// last reports that nothing behind such an action is done.
func (w what) last() bool { return w >= reject }

// setting gives a member of the metadata its value.
type setting struct {
	name string
	expr *expression
}

// destination is where a rule sends something: the same always, or what an expression gives.
type destination struct {
	Target
	expr *expression
}

// limiter is a rate limit of a rule. Those of two files that are equal are the same one.
type limiter struct {
	id      limiterID
	rate    limit.Rate
	perUser bool
}

type limiterID struct {
	rule    string
	ordinal int // among the rule's limits
	rate    float64
	burst   int
	perUser bool
}

// everything is the pattern of rules that name none. As everywhere, it does not reach the system's topics.
var everything = []string{">"}

// index makes the rules to be found by what they name.
func (s *Set) index() {
	s.users = make(map[string][]int32)
	for i, r := range s.rules {
		i := int32(i)
		if r.kinds[Broadcast] {
			add(&s.topics, r.topics, i)
		}
		if r.kinds[RoomMessage] {
			add(&s.rooms, r.rooms, i)
		}
		switch {
		case !r.kinds[DirectMessage]:
		case r.users == nil || slices.Contains(r.users, "*"):
			s.direct = append(s.direct, i)
		default:
			for _, user := range r.users {
				s.users[user] = appendOnce(s.users[user], i)
			}
		}
	}
}

func add(tree *topic.Tree[[]int32], patterns []string, i int32) {
	if patterns == nil {
		patterns = everything
	}
	for _, p := range patterns {
		list, _ := tree.Get(p)
		tree.Set(p, appendOnce(list, i))
	}
}

func appendOnce(list []int32, i int32) []int32 {
	if len(list) > 0 && list[len(list)-1] == i {
		return list
	}
	return append(list, i)
}

// stranger says why a message is none of the rule's; "" where it is one.
func (r *rule) stranger(m *Message) string {
	if !r.kinds[m.Kind] {
		return fmt.Sprintf("it is not for a %s", m.Kind)
	}
	switch m.Kind {
	case Broadcast:
		return mismatch("topics", r.topics, m.Key)
	case RoomMessage:
		return mismatch("rooms", r.rooms, m.Key)
	}
	if r.users == nil || slices.Contains(r.users, "*") || slices.Contains(r.users, m.Key) {
		return ""
	}
	return fmt.Sprintf("none of its users is %s", m.Key)
}

func mismatch(field string, patterns []string, name string) string {
	if patterns == nil {
		patterns = everything
	}
	if slices.ContainsFunc(patterns, func(p string) bool { return topic.Match(p, name) }) {
		return ""
	}
	return fmt.Sprintf("none of its %s (%s) matches %s", field, strings.Join(patterns, ", "), name)
}
