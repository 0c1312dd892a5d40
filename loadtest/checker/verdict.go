package checker

import "time"

// Verdict is what Check found.
type Verdict struct {
	Violations []Violation  // the first few of each kind
	Counts     map[Kind]int // all of them

	Messages   int
	Acked      int
	Queued     int // of Acked, those acked as queued
	Refused    int
	Unanswered int
	Deliveries int
	Repeated   int // of Deliveries, those of queued messages that had come before
	Kept       int // of Queued, those of users none of whose connections stayed to see them

	RefusedSettled int     // of Refused, those outside every window
	Pauses         []Pause // by topic, mailboxes behind the others
	Windows        []Window
}

// OK says that no promise was broken.
func (v *Verdict) OK() bool { return len(v.Counts) == 0 }

// Pause is a topic's longest silence, by its publishers and by its subscribers.
type Pause struct {
	Topic      int
	Acks       Gap // the longest time a publisher went without an Ack
	Deliveries Gap // the longest time a subscriber went without a delivery
}

// Gap is a stretch of time in which nothing came.
type Gap struct{ From, To time.Duration }

// Length of the gap.
func (g Gap) Length() time.Duration { return g.To - g.From }

func (g *Gap) widen(from, to time.Duration) {
	if to-from > g.Length() {
		*g = Gap{from, to}
	}
}

// Window is what happened around one fault.
type Window struct {
	Name       string
	From, To   time.Duration
	Acks       Gap // the longest that overlaps the window, of any topic but mailboxes
	Deliveries Gap
	Refused    int // answered by an Error within the window
	Unanswered int // sent within the window
	Lost       int // acked within the window and missing at one subscriber or more
}

// Check judges everything told so far. end is the time at which the publishers
// stopped: silence after it is no pause. It may be called again.
func (c *Checker) Check(end time.Duration) *Verdict {
	found := c.notes.clone()
	v := &Verdict{Windows: make([]Window, len(c.windows))}
	for i, w := range c.windows {
		v.Windows[i] = Window{Name: w.name, From: w.from, To: w.to}
	}
	byTopic := c.index()
	for t := range c.topics() {
		c.checkTopic(t, byTopic[t], v, &found)
		widen := v.Windows
		if c.mailbox(t) {
			widen = nil // an absent user sees nothing for as long as it pleases
		}
		v.Pauses = append(v.Pauses, c.pause(t, end, widen))
	}
	c.countAnswers(v, &found)
	if c.dropped > 0 {
		found.add(Overflow, "%d events over MaxEvents were not recorded", c.dropped)
	}
	v.Violations, v.Counts = found.list, found.counts
	return v
}

// ref names a message.
type ref struct{ pub, n uint32 }

// index numbers the messages of each topic and returns them by that number.
func (c *Checker) index() [][]ref {
	byTopic := make([][]ref, c.topics())
	for p := range c.messages {
		for n := range c.messages[p] {
			m := &c.messages[p][n]
			m.index = int32(len(byTopic[m.topic]))
			byTopic[m.topic] = append(byTopic[m.topic], ref{uint32(p), uint32(n)})
		}
	}
	return byTopic
}

func (c *Checker) countAnswers(v *Verdict, found *violations) {
	for p := range c.messages {
		for n := range c.messages[p] {
			m := &c.messages[p][n]
			v.Messages++
			switch m.state {
			case acked:
				v.Acked++
			case queued:
				v.Acked++
				v.Queued++
			case refused:
				v.Refused++
				if w := c.windowAt(m.answered); w >= 0 {
					v.Windows[w].Refused++
				} else {
					v.RefusedSettled++
				}
			case pending:
				v.Unanswered++
				if w := c.windowAt(m.sent); w >= 0 {
					v.Windows[w].Unanswered++
				} else {
					found.add(Unanswered, "%d/%d, sent at %v to topic %d", p, n, m.sent, m.topic)
				}
			}
		}
	}
	for _, lanes := range c.lanes {
		for i := range lanes {
			v.Deliveries += len(lanes[i].seen)
		}
	}
}
