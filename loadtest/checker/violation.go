package checker

import (
	"fmt"
	"slices"
)

// Kind of a broken promise.
type Kind string

// The kinds.
const (
	Unknown        Kind = "unknown"         // arrived, but was never sent so
	Uninvited      Kind = "uninvited"       // arrived where nobody asked for the topic
	Doubled        Kind = "doubled"         // arrived twice at one subscriber
	PublisherOrder Kind = "publisher order" // arrived before an earlier one of its publisher
	Order          Kind = "order"           // no single order explains what was seen
	Lost           Kind = "lost"            // acked, or seen by others, and did not arrive
	Late           Kind = "late"            // arrived after the answer to the subscriber's leaving
	Renamed        Kind = "renamed"         // one message under two message_ids
	Unmarked       Kind = "unmarked"        // acked as queued, and did not say so when it arrived
	Unanswered     Kind = "unanswered"      // sent at a settled moment, never answered
	Stray          Kind = "stray answer"    // a second answer, or one to nothing
	Overflow       Kind = "overflow"        // the checker was too small for the run
)

// Violation is one broken promise, described for a reader. Messages appear as
// publisher/number.
type Violation struct {
	Kind Kind
	Text string
}

func (v Violation) String() string { return string(v.Kind) + ": " + v.Text }

// keptPerKind bounds the texts, not the counts.
const keptPerKind = 10

type violations struct {
	list   []Violation
	counts map[Kind]int
}

func (v *violations) add(k Kind, format string, args ...any) {
	if v.counts == nil {
		v.counts = make(map[Kind]int)
	}
	v.counts[k]++
	if v.counts[k] <= keptPerKind {
		v.list = append(v.list, Violation{k, fmt.Sprintf(format, args...)})
	}
}

func (v *violations) clone() violations {
	c := violations{list: slices.Clone(v.list), counts: make(map[Kind]int)}
	for k, n := range v.counts {
		c.counts[k] = n
	}
	return c
}
