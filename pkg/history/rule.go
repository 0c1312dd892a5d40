package history

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

// What a Rule has where it does not say otherwise.
const (
	DefaultSize = 1000
	DefaultAge  = 24 * time.Hour
)

// Rule says which topics and rooms have history, and how much.
type Rule struct {
	Name     string        // of the rule and of its streams: letters, digits, - and _; 1–32 of them
	Topics   []string      // patterns
	Rooms    []string      // patterns of rooms' names
	Size     int           // publications of one topic that are kept, at least 1
	Age      time.Duration // how long one is kept, at least a second
	Replicas int           // copies, each on a NATS server of its own; 0: three where there are as many servers, else one

	// Shortest is the shortest Age that the rule has had, where that changed while it was in use and was shorter; 0 otherwise. What was stored before may be gone sooner than
	// Age says.
	Shortest time.Duration
}

// Policy is all rules. The first that matches counts.
type Policy []*Rule

// OfTopic returns the rule of a topic, nil when it has no history.
func (p Policy) OfTopic(name string) *Rule {
	return p.find(name, func(r *Rule) []string { return r.Topics })
}

// OfRoom returns the rule of a room, nil when it has no history.
func (p Policy) OfRoom(name string) *Rule {
	return p.find(name, func(r *Rule) []string { return r.Rooms })
}

func (p Policy) find(name string, patterns func(*Rule) []string) *Rule {
	for _, r := range p {
		for _, pattern := range patterns(r) {
			if topic.Match(pattern, name) {
				return r
			}
		}
	}
	return nil
}
