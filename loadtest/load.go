// Package loadtest puts the system under a steady load of real clients, breaks
// things meanwhile, and reports whether it kept its promises. It speaks the
// client protocol only.
//
// A run has publishers and subscribers of topics on every gateway, and people who
// talk in rooms and to each other. Every message says who sent it, which number
// it has and when it left; what arrives is told to a checker.Checker, which knows
// the promises.
package loadtest

import (
	"errors"
	"fmt"
	"time"
)

// Load describes a run.
type Load struct {
	// Gateways are the URLs (ws://…/ws) of everything that takes clients.
	Gateways []string
	// Token returns a token for a user; the load makes up its users.
	Token func(user string) (string, error)

	Topics int    // 12 by default; negative for none, and nobody who uses them
	Prefix string // topics are Prefix.0, Prefix.1, …; "load" by default

	// Publishers per gateway, 1 by default: each sends Rate messages a second, to
	// one topic after the other.
	Publishers int
	Rate       float64 // 60 by default
	Payload    int     // bytes, at least 64; 128 by default

	// Exact is the number of subscribers per gateway that subscribe to topics by
	// name, each to two thirds of them. 1 by default; negative for none.
	Exact int
	// Wild is the number of subscribers per gateway that subscribe to all topics
	// by patterns that overlap, and to one by name as well. 1 by default;
	// negative for none.
	Wild int
	// Joiners is the number of subscribers per gateway that subscribe during the
	// run, spread over it, alternately by name and by pattern. 0 by default.
	Joiners int

	People People

	Duration time.Duration // of publishing, which goes on until the faults are done; 10 s by default
	Drain    time.Duration // bounds the wait for what is outstanding after it; 5 s by default
	Faults   []Fault
}

// maxInFlight bounds a publisher's unanswered messages. When it is reached the
// publisher skips its turn, and the report counts that.
const maxInFlight = 4096

const minPayload = 64

func (l Load) withDefaults() (Load, error) {
	if l.Topics < 0 {
		l.Topics, l.Publishers, l.Exact, l.Wild, l.Joiners = -1, -1, -1, -1, 0
	}
	for _, d := range []struct {
		at  *int
		def int
	}{{&l.Topics, 12}, {&l.Publishers, 1}, {&l.Payload, 128}, {&l.Exact, 1}, {&l.Wild, 1}} {
		if *d.at == 0 {
			*d.at = d.def
		}
	}
	l.Topics, l.Publishers = max(l.Topics, 0), max(l.Publishers, 0)
	l.Exact, l.Wild = max(l.Exact, 0), max(l.Wild, 0)
	if l.Prefix == "" {
		l.Prefix = "load"
	}
	if l.Rate == 0 {
		l.Rate = 60
	}
	if l.Duration == 0 {
		l.Duration = 10 * time.Second
	}
	if l.Drain == 0 {
		l.Drain = 5 * time.Second
	}
	l.People = l.People.withDefaults()
	l.Faults = sortFaults(l.Faults)
	switch {
	case len(l.Gateways) == 0:
		return l, errors.New("load: no gateways")
	case l.Token == nil:
		return l, errors.New("load: no Token")
	case l.Rate < 0 || l.Joiners < 0:
		return l, errors.New("load: a count or rate is negative")
	case l.Payload < minPayload:
		return l, fmt.Errorf("load: payload of %d bytes, at least %d are needed", l.Payload, minPayload)
	}
	for _, f := range l.Faults {
		if f.At > l.Duration {
			return l, fmt.Errorf("load: fault %q at %v lies behind the end", f.Name, f.At)
		}
	}
	return l, l.People.check()
}

func (l *Load) publishers() int  { return l.Publishers * len(l.Gateways) }
func (l *Load) subscribers() int { return (l.Exact + l.Wild + l.Joiners) * len(l.Gateways) }

func (l *Load) topic(i int) string { return fmt.Sprintf("%s.%d", l.Prefix, i) }
