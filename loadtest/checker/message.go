package checker

import "time"

// message is what its publisher knows of it.
type message struct {
	sent, answered time.Duration
	topic          int32
	index          int32 // among the messages of its topic; set by Check
	state          state
	seen           bool // by anybody
}

type state uint8

const (
	pending state = iota
	acked
	queued // acked as queued
	refused
)

// Publisher adds a publisher and returns its number.
func (c *Checker) Publisher() int {
	c.messages = append(c.messages, nil)
	c.stopped = append(c.stopped, never)
	return len(c.messages) - 1
}

// Sending tells that pub is about to send to topic and returns the number the
// message must carry. Call it before the bytes leave.
func (c *Checker) Sending(pub, topic int, at time.Duration) (n int) {
	n = len(c.messages[pub])
	if !c.room() {
		return n
	}
	c.messages[pub] = append(c.messages[pub], message{sent: at, topic: int32(topic)})
	return n
}

// Acked tells that pub got the Ack for its message n.
func (c *Checker) Acked(pub, n int, at time.Duration) { c.answer(pub, n, at, acked) }

// Queued tells the same of a direct message whose user is away.
func (c *Checker) Queued(pub, n int, at time.Duration) { c.answer(pub, n, at, queued) }

// Refused tells that pub got an Error for its message n.
func (c *Checker) Refused(pub, n int, at time.Duration) { c.answer(pub, n, at, refused) }

func (c *Checker) answer(pub, n int, at time.Duration, s state) {
	if n < 0 || n >= len(c.messages[pub]) {
		if c.dropped == 0 {
			c.notes.add(Stray, "publisher %d got an answer for message %d, which it never sent", pub, n)
		}
		return
	}
	m := &c.messages[pub][n]
	if m.state != pending {
		c.notes.add(Stray, "publisher %d got a second answer for message %d at %v", pub, n, at)
		return
	}
	m.state, m.answered = s, at
}

// Named tells the message_id under which message n of pub was acked or seen.
func (c *Checker) Named(pub, n int, id string) {
	r := ref{uint32(pub), uint32(n)}
	switch before, ok := c.names[r]; {
	case !ok:
		c.names[r] = id
	case before != id:
		c.notes.add(Renamed, "%d/%d: %.100q, and before %.100q", pub, n, id, before)
	}
}

// Stopped tells that pub sends no more and will get no more answers.
func (c *Checker) Stopped(pub int, at time.Duration) { c.stopped[pub] = min(c.stopped[pub], at) }

// Outstanding is the number of messages that still should be answered, and of
// those acked as queued that still should arrive.
func (c *Checker) Outstanding() (unanswered, waiting int) {
	for p := range c.messages {
		for n := range c.messages[p] {
			switch m := &c.messages[p][n]; {
			case m.state == pending && c.stopped[p] == never:
				unanswered++
			case m.state == queued && !m.seen:
				waiting++
			}
		}
	}
	return unanswered, waiting
}
