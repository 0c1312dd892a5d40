package checker

import "time"

// sequence is what one subscriber saw of a topic, as message indexes, each once.
type sequence struct {
	order []int32
	has   []bool // by message index; nil when nothing was seen
}

// sequence checks a lane by itself and returns it without its doubles.
func (c *Checker) sequence(sub, topic, n int, v *Verdict, found *violations) sequence {
	l := c.lane(sub, topic)
	if len(l.seen) == 0 {
		return sequence{}
	}
	if !l.may {
		found.add(Uninvited, "subscriber %d saw %d messages of topic %d", sub, len(l.seen), topic)
	}
	s := sequence{order: make([]int32, 0, len(l.seen)), has: make([]bool, n)}
	last := make(map[uint32]*latest, len(c.messages)) // by publisher
	for _, e := range l.seen {
		i := c.messages[e.pub][e.n].index
		if e.when() > l.gone {
			found.add(Late, "subscriber %d, topic %d: %d/%d at %v, gone at %v", sub, topic, e.pub, e.n, e.when(), l.gone)
		}
		if s.has[i] {
			if e.waited {
				v.Repeated++
			} else {
				found.add(Doubled, "subscriber %d, topic %d: %d/%d", sub, topic, e.pub, e.n)
			}
			continue
		}
		s.has[i] = true
		s.order = append(s.order, i)
		if last[e.pub] == nil {
			last[e.pub] = new(latest)
		}
		if before, ok := last[e.pub].follow(c, e); !ok {
			found.add(PublisherOrder, "subscriber %d, topic %d: %d/%d after %d/%d", sub, topic, e.pub, e.n, e.pub, before)
		}
	}
	return s
}

// latest is what came last from a publisher.
type latest struct{ live, waited place }

// place is a message's place among its publisher's.
type place struct {
	next uint32 // its number + 1; 0 for none
	at   time.Duration
}

// follow takes the publisher's next message. It says no when an earlier one came
// before it, and which.
func (l *latest) follow(c *Checker, e sight) (before uint32, ok bool) {
	same, other := &l.live, &l.waited
	if e.waited {
		same, other = other, same
	}
	switch {
	case same.next > e.n:
		return same.next - 1, false
	case other.next > e.n && c.windowAt(e.when()) < 0 && c.windowAt(other.at) < 0:
		return other.next - 1, false
	}
	*same = place{e.n + 1, e.when()}
	return 0, true
}
