package history

type writer struct {
	sent []message
	last []lastAck // by key
}

// lastAck is what a writer knows of a key.
type lastAck struct {
	top   uint32 // the highest offset that was acked
	epoch uint8

	// The last Ack of a message that was sent once.
	conn   int
	n      uint32
	offset uint64
	known  bool
}

// Sent says that m.Writer sent m to key, for the first time or again.
func (c *Checker) Sent(m Message, key int) {
	w := &c.writers[m.Writer]
	switch n := int(m.N); {
	case n < len(w.sent):
		w.sent[n].flags |= isResent
		c.count.Resent++
	case n == len(w.sent):
		l := w.last[key]
		w.sent = append(w.sent, message{key: uint16(key), floor: l.top, floorEpoch: l.epoch})
		c.keys[key].sent++
		c.count.Messages++
	default:
		c.notes.add(Unknown, "message %s was sent before the one ahead of it", m)
	}
}

// Acked says that a writer got an Ack of its message, on its connection of number conn.
func (c *Checker) Acked(m Message, at Position, duplicate bool, conn int) {
	if int(m.N) >= len(c.writers[m.Writer].sent) {
		c.notes.add(Unknown, "an Ack of %s, which nobody sent", m)
		return
	}
	w := &c.writers[m.Writer]
	msg := &w.sent[m.N]
	k := int(msg.key)
	if !msg.flags.has(isAcked) {
		c.count.Acked++
		if duplicate {
			c.count.Duplicates++
		}
	}
	msg.flags |= isAcked
	if duplicate && !msg.flags.has(isResent) {
		c.notes.add(FalseDuplicate, "key %d: %s at %s", k, m, at)
	}
	c.learn(k, at, m, isAcked)
	if msg.offset == 0 || msg.offset != uint32(at.Offset) {
		return // told by learn
	}
	l := &w.last[k]
	if l.epoch != msg.epoch || l.top < msg.offset {
		l.top, l.epoch = msg.offset, msg.epoch
	}
	if msg.flags.has(isResent) {
		return
	}
	if l.known && l.conn == conn && (l.n < m.N) != (l.offset < at.Offset) {
		c.notes.add(WriterOrder, "key %d: %s is at %s, but %d/%d, sent on the same connection, at %d", k, m, at, m.Writer, l.n, l.offset)
	}
	l.conn, l.n, l.offset, l.known = conn, m.N, at.Offset, true
}
