package checker

// checkMailbox judges what is particular to direct messages, whose user has the
// mailbox topic: what was acked as queued arrives, and is marked.
func (c *Checker) checkMailbox(topic int, msgs []ref, seqs []sequence, v *Verdict, found *violations) {
	for sub := range seqs {
		for _, e := range c.lane(sub, topic).seen {
			if !e.waited && c.messages[e.pub][e.n].state == queued {
				found.add(Unmarked, "subscriber %d, mailbox %d: %d/%d", sub, topic-c.cfg.Topics, e.pub, e.n)
			}
		}
	}
	stayed := c.stayed(topic)
	for i, r := range msgs {
		m := &c.messages[r.pub][r.n]
		switch {
		case m.state != queued || anyHas(seqs, i):
		case stayed:
			found.add(Lost, "mailbox %d: %d/%d, sent at %v, acked as queued at %v", topic-c.cfg.Topics, r.pub, r.n, m.sent, m.answered)
		default:
			v.Kept++
		}
	}
}

// stayed reports whether some subscriber of topic was there at the end.
func (c *Checker) stayed(topic int) bool {
	for sub := range c.lanes {
		if l := c.lane(sub, topic); l.joined != never && l.left == never {
			return true
		}
	}
	return false
}
