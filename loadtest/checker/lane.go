package checker

import (
	"fmt"
	"time"
)

// lane is what one subscriber knows of one topic.
type lane struct {
	joined time.Duration // never before the answer
	left   time.Duration // when it gave up its claim; never while it stays
	gone   time.Duration // when that was answered; never otherwise
	may    bool          // it asked for the topic
	seen   []sight
}

// sight is one delivery; 16 bytes, for there are many.
type sight struct {
	pub, n uint32
	at     uint32 // in ticks
	waited bool   // it is marked so
}

func (e sight) when() time.Duration { return time.Duration(e.at) * tick }

// String says for how long the subscriber was there.
func (l *lane) String() string {
	if l.left == never {
		return fmt.Sprintf("there from %v", l.joined)
	}
	return fmt.Sprintf("there from %v to %v", l.joined, l.left)
}

// Subscriber adds a subscriber and returns its number.
func (c *Checker) Subscriber() int {
	c.lanes = append(c.lanes, make([]lane, c.topics()))
	for i := range c.lanes[len(c.lanes)-1] {
		l := &c.lanes[len(c.lanes)-1][i]
		l.joined, l.left, l.gone = never, never, never
	}
	return len(c.lanes) - 1
}

// Joining tells that messages of topic may arrive at sub from now on, though
// nothing is promised yet.
func (c *Checker) Joining(sub, topic int) { c.lane(sub, topic).may = true }

// Joined tells that the subscription of sub to topic was answered at the given
// time. A subscriber joins a topic once; whoever comes again is a new subscriber.
func (c *Checker) Joined(sub, topic int, at time.Duration) {
	l := c.lane(sub, topic)
	l.may, l.joined = true, at
}

// Left tells that sub gave topic up, or lost its connection, at the given time:
// nothing is promised from then on.
func (c *Checker) Left(sub, topic int, at time.Duration) {
	l := c.lane(sub, topic)
	l.left = min(l.left, at)
}

// LeftAll tells that sub lost, or is about to close, its connection.
func (c *Checker) LeftAll(sub int, at time.Duration) {
	for t := range c.lanes[sub] {
		c.Left(sub, t, at)
	}
}

// Gone tells that the leaving of sub was answered: nothing of topic may arrive
// any more.
func (c *Checker) Gone(sub, topic int, at time.Duration) {
	l := c.lane(sub, topic)
	l.left, l.gone = min(l.left, at), min(l.gone, at)
}

// Delivered tells that sub saw message n of pub under the name of topic.
func (c *Checker) Delivered(sub, topic, pub, n int, at time.Duration) {
	c.deliver(sub, topic, sight{uint32(pub), uint32(n), uint32(at / tick), false})
}

// DeliveredLate tells the same of a direct message that is marked as having
// waited.
func (c *Checker) DeliveredLate(sub, topic, pub, n int, at time.Duration) {
	c.deliver(sub, topic, sight{uint32(pub), uint32(n), uint32(at / tick), true})
}

func (c *Checker) deliver(sub, topic int, e sight) {
	if int(e.pub) >= len(c.messages) || int(e.n) >= len(c.messages[e.pub]) {
		if c.dropped == 0 {
			c.notes.add(Unknown, "subscriber %d, topic %d: saw %d/%d, which was never sent", sub, topic, e.pub, e.n)
		}
		return
	}
	m := &c.messages[e.pub][e.n]
	if t := int(m.topic); t != topic {
		c.notes.add(Unknown, "subscriber %d, topic %d: saw %d/%d, which was sent to topic %d", sub, topic, e.pub, e.n, t)
		return
	}
	if !c.room() {
		return
	}
	m.seen = true
	l := c.lane(sub, topic)
	l.seen = append(l.seen, e)
}

// Altered tells that sub saw something under topic that no publisher wrote.
func (c *Checker) Altered(sub, topic int, what string) {
	c.notes.add(Unknown, "subscriber %d, topic %d: saw a payload that nobody sent: %.200q", sub, topic, what)
}

func (c *Checker) lane(sub, topic int) *lane {
	if topic < 0 || topic >= c.topics() {
		panic(fmt.Sprintf("checker: topic %d of %d", topic, c.topics()))
	}
	return &c.lanes[sub][topic]
}
