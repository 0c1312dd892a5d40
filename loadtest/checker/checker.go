// Package checker judges a run of the system from what its clients saw. It is
// told events (this subscriber saw that message, this publisher got that
// answer) and says which promises of the protocol they break. It has no clock
// and does no I/O; topics, publishers and subscribers are small integers, and
// a message is its publisher and its number: the publisher's messages count
// from 0 over all topics, in the order in which they were sent.
//
// # What is promised
//
// A window is a stretch of time around a fault, given by Unsettled; what lies in
// no window is settled. Whether settled or not:
//
//   - Nothing arrives that was not sent to that topic, or with another payload,
//     or at somebody who did not ask for the topic.
//   - Nothing arrives twice at a subscriber.
//   - What a publisher sent to a topic arrives at each subscriber in the order in
//     which it was sent.
//   - There is one order per topic: a single sequence of the topic's messages of
//     which every subscriber's sequence is a subsequence. This is more than "no
//     two subscribers saw a pair in opposite orders": it also excludes three
//     subscribers of whom one saw a before b, one b before c and one c before a.
//   - A message is answered at most once.
//
// And for what is settled:
//
//   - A message acked at a settled moment arrives at every subscriber whose
//     subscription was answered before the message was sent and who had not left
//     when it was acked. A message sent in a window and acked after it counts:
//     after the view settled, an Ack is a promise.
//   - A message that was refused at a settled moment arrives at all of those or at
//     none: with the one order above, subscribers present all the time
//     therefore saw the same sequence.
//   - A message sent at a settled moment is answered.
//
// In a window, messages may be refused, go unanswered, or be acked and lost; the
// verdict counts them per window.
package checker

import (
	"fmt"
	"math"
	"time"
)

// Config sizes a Checker.
type Config struct {
	Topics, Publishers, Subscribers int
	// MaxEvents bounds the memory: messages (40 bytes each) and deliveries (12
	// bytes each) above this many are not recorded, and the verdict says so. 20
	// million by default.
	MaxEvents int
}

// Checker collects events. It is not safe for concurrent use. Times are
// durations since an arbitrary start, precise to 0.1 ms.
type Checker struct {
	cfg      Config
	messages [][]message // by publisher, then number
	lanes    []lane      // by subscriber*Topics + topic
	windows  []window
	notes    violations // what was wrong at once
	events   int
	dropped  int
}

// message is what its publisher knows of it.
type message struct {
	sent, answered time.Duration
	topic          int32
	index          int32 // among the messages of its topic; set by Check
	state          state
}

type state uint8

const (
	pending state = iota
	acked
	refused
)

// lane is what one subscriber knows of one topic.
type lane struct {
	joined, left time.Duration // left is never while it stays
	subscribed   bool
	seen         []sight
}

// sight is one delivery; 12 bytes, for there are many.
type sight struct {
	pub, n uint32
	at     uint32 // in ticks
}

const (
	tick  = 100 * time.Microsecond
	never = time.Duration(math.MaxInt64)
)

// New makes a checker for cfg's topics 0..Topics-1, and so on.
func New(cfg Config) *Checker {
	if cfg.MaxEvents <= 0 {
		cfg.MaxEvents = 20_000_000
	}
	return &Checker{
		cfg:      cfg,
		messages: make([][]message, cfg.Publishers),
		lanes:    make([]lane, cfg.Subscribers*cfg.Topics),
	}
}

// Joined tells that the subscription of sub to topic was answered at the given
// time. A subscriber joins a topic once; whoever comes again is a new subscriber.
func (c *Checker) Joined(sub, topic int, at time.Duration) {
	l := c.lane(sub, topic)
	l.subscribed, l.joined, l.left = true, at, never
}

// Left tells that sub gave topic up, or lost its connection, at the given time.
func (c *Checker) Left(sub, topic int, at time.Duration) {
	if l := c.lane(sub, topic); l.subscribed {
		l.left = min(l.left, at)
	}
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

// Delivered tells that sub saw message n of pub under the name of topic.
func (c *Checker) Delivered(sub, topic, pub, n int, at time.Duration) {
	if pub < 0 || pub >= len(c.messages) || n < 0 || n >= len(c.messages[pub]) {
		if c.dropped == 0 {
			c.notes.add(Unknown, "subscriber %d, topic %d: saw %d/%d, which was never sent", sub, topic, pub, n)
		}
		return
	}
	if t := int(c.messages[pub][n].topic); t != topic {
		c.notes.add(Unknown, "subscriber %d, topic %d: saw %d/%d, which was sent to topic %d", sub, topic, pub, n, t)
		return
	}
	if !c.room() {
		return
	}
	l := c.lane(sub, topic)
	l.seen = append(l.seen, sight{uint32(pub), uint32(n), uint32(at / tick)})
}

// Altered tells that sub saw something under topic that no publisher wrote.
func (c *Checker) Altered(sub, topic int, what string) {
	c.notes.add(Unknown, "subscriber %d, topic %d: saw a payload that nobody sent: %.200q", sub, topic, what)
}

// Answered reports how many messages were sent, and how many of them have an
// answer.
func (c *Checker) Answered() (sent, answered int) {
	for _, p := range c.messages {
		sent += len(p)
		for i := range p {
			if p[i].state != pending {
				answered++
			}
		}
	}
	return sent, answered
}

func (c *Checker) lane(sub, topic int) *lane {
	if topic < 0 || topic >= c.cfg.Topics {
		panic(fmt.Sprintf("checker: topic %d of %d", topic, c.cfg.Topics))
	}
	return &c.lanes[sub*c.cfg.Topics+topic]
}

func (c *Checker) room() bool {
	if c.events >= c.cfg.MaxEvents {
		c.dropped++
		return false
	}
	c.events++
	return true
}
