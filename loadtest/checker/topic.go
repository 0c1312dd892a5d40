package checker

// checkTopic judges one topic, whose messages are msgs: first each subscriber's
// sequence by itself, then the sequences together, then what is missing.
func (c *Checker) checkTopic(topic int, msgs []ref, v *Verdict, found *violations) {
	seqs := make([]sequence, len(c.lanes))
	for sub := range seqs {
		seqs[sub] = c.sequence(sub, topic, len(msgs), v, found)
	}
	if c.mailbox(topic) {
		c.checkMailbox(topic, msgs, seqs, v, found)
	} else {
		for _, cyc := range merge(seqs, len(msgs)) {
			found.add(Order, "topic %d: %s", topic, cyc.describe(msgs))
		}
	}
	c.checkLost(topic, msgs, seqs, v, found)
}

// checkLost looks for messages that somebody should have seen and did not.
func (c *Checker) checkLost(topic int, msgs []ref, seqs []sequence, v *Verdict, found *violations) {
	for i, r := range msgs {
		m := &c.messages[r.pub][r.n]
		if m.state != acked && (m.state != refused || c.mailbox(topic) || !anyHas(seqs, i)) {
			continue
		}
		w := c.lossyAt(m.answered)
		if m.state == refused {
			w = c.windowAt(m.answered)
		}
		missing := false
		for sub := range seqs {
			l := c.lane(sub, topic)
			if m.sent < l.joined || m.answered+c.cfg.Lag >= l.left {
				continue
			}
			if seqs[sub].has != nil && seqs[sub].has[i] {
				continue
			}
			missing = true
			switch {
			case w >= 0:
			case m.state == acked:
				found.add(Lost, "subscriber %d (%s), topic %d: %d/%d, sent at %v, acked at %v", sub, l, topic, r.pub, r.n, m.sent, m.answered)
			default:
				found.add(Lost, "subscriber %d (%s), topic %d: %d/%d, refused at %v, yet others saw it", sub, l, topic, r.pub, r.n, m.answered)
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
