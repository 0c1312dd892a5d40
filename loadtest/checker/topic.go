package checker

// checkTopic judges one topic, whose messages are msgs: first each subscriber's
// sequence by itself, then the sequences together, then what is missing.
func (c *Checker) checkTopic(topic int, msgs []ref, v *Verdict, found *violations) {
	seqs := make([]sequence, c.cfg.Subscribers)
	for sub := range seqs {
		seqs[sub] = c.sequence(sub, topic, len(msgs), found)
	}
	for _, cyc := range merge(seqs, len(msgs)) {
		found.add(Order, "topic %d: %s", topic, cyc.describe(msgs))
	}
	c.checkLost(topic, msgs, seqs, v, found)
}

// sequence is what one subscriber saw of a topic, as message indexes, each once.
type sequence struct {
	order []int32
	has   []bool // by message index; nil when nothing was seen
}

// sequence checks a lane by itself and returns it without its doubles.
func (c *Checker) sequence(sub, topic, n int, found *violations) sequence {
	l := c.lane(sub, topic)
	if len(l.seen) == 0 {
		return sequence{}
	}
	if !l.subscribed {
		found.add(Uninvited, "subscriber %d saw %d messages of topic %d", sub, len(l.seen), topic)
	}
	s := sequence{order: make([]int32, 0, len(l.seen)), has: make([]bool, n)}
	last := make(map[uint32]uint32, len(c.messages)) // number+1 of each publisher's latest
	for _, e := range l.seen {
		i := c.messages[e.pub][e.n].index
		if s.has[i] {
			found.add(Doubled, "subscriber %d, topic %d: %d/%d", sub, topic, e.pub, e.n)
			continue
		}
		s.has[i] = true
		s.order = append(s.order, i)
		if before := last[e.pub]; before > e.n {
			found.add(PublisherOrder, "subscriber %d, topic %d: %d/%d after %d/%d", sub, topic, e.pub, e.n, e.pub, before-1)
			continue
		}
		last[e.pub] = e.n + 1
	}
	return s
}

// checkLost looks for messages that somebody should have seen and did not.
func (c *Checker) checkLost(topic int, msgs []ref, seqs []sequence, v *Verdict, found *violations) {
	for i, r := range msgs {
		m := &c.messages[r.pub][r.n]
		if m.state == pending || m.state == refused && !anyHas(seqs, i) {
			continue
		}
		w := c.windowAt(m.answered)
		missing := false
		for sub := range seqs {
			l := c.lane(sub, topic)
			if !l.subscribed || m.sent < l.joined || m.answered >= l.left {
				continue
			}
			if seqs[sub].has != nil && seqs[sub].has[i] {
				continue
			}
			missing = true
			switch {
			case w >= 0:
			case m.state == acked:
				found.add(Lost, "subscriber %d, topic %d: %d/%d, sent at %v, acked at %v", sub, topic, r.pub, r.n, m.sent, m.answered)
			default:
				found.add(Lost, "subscriber %d, topic %d: %d/%d, refused at %v, yet others saw it", sub, topic, r.pub, r.n, m.answered)
			}
		}
		if missing && w >= 0 && m.state == acked {
			v.Windows[w].Lost++
		}
	}
}

func anyHas(seqs []sequence, i int) bool {
	for _, s := range seqs {
		if s.has != nil && s.has[i] {
			return true
		}
	}
	return false
}
