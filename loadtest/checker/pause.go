package checker

import (
	"slices"
	"time"
)

// pause finds the longest silences of a topic and widens the windows they
// overlap. A publisher's silence runs from its first message to the topic over
// its Acks to its stop or end; a subscriber's from its joining, or the topic's first
// message if that is later, over its deliveries to its leaving or end.
func (c *Checker) pause(topic int, end time.Duration, windows []Window) Pause {
	p := Pause{Topic: topic}
	first := end
	for pub := range c.messages {
		times, sent := c.ackTimes(pub, topic)
		if sent < 0 {
			continue
		}
		first = min(first, sent)
		gaps(sent, times, min(end, c.stopped[pub]), func(from, to time.Duration) {
			p.Acks.widen(from, to)
			overlapping(windows, from, to, func(w *Window) { w.Acks.widen(from, to) })
		})
	}
	for sub := range c.lanes {
		l := c.lane(sub, topic)
		if l.joined == never {
			continue
		}
		times := make([]time.Duration, len(l.seen))
		for i, e := range l.seen {
			times[i] = e.when()
		}
		gaps(max(first, l.joined), times, min(end, l.left), func(from, to time.Duration) {
			p.Deliveries.widen(from, to)
			overlapping(windows, from, to, func(w *Window) { w.Deliveries.widen(from, to) })
		})
	}
	return p
}

// ackTimes are the times of pub's Acks for topic in ascending order, and that of
// its first message to it, -1 when there was none.
func (c *Checker) ackTimes(pub, topic int) (times []time.Duration, first time.Duration) {
	first = -1
	for i := range c.messages[pub] {
		m := &c.messages[pub][i]
		if int(m.topic) != topic {
			continue
		}
		if first < 0 {
			first = m.sent
		}
		if m.state == acked || m.state == queued {
			times = append(times, m.answered)
		}
	}
	slices.Sort(times)
	return times, first
}

// gaps calls f for each stretch between start, the ascending times and end.
func gaps(start time.Duration, times []time.Duration, end time.Duration, f func(from, to time.Duration)) {
	last := start
	for _, t := range times {
		if t > end {
			break
		}
		if t > last {
			f(last, t)
			last = t
		}
	}
	if end > last {
		f(last, end)
	}
}

func overlapping(windows []Window, from, to time.Duration, f func(*Window)) {
	for i := range windows {
		if w := &windows[i]; from <= w.To && to >= w.From {
			f(w)
		}
	}
}
