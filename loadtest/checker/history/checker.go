package history

// Config sizes a Checker.
type Config struct {
	Keys, Writers, Readers int
	// Loose readers, by number: they are told no positions.
	Loose func(reader int) bool
	// Stamp, if any, is written behind each violation that is seen at once: when that was.
	Stamp func() string
	// Size is how many messages of a key are surely kept, at least; 0 for all.
	Size int
}

// Checker collects events. It is not safe for concurrent use.
type Checker struct {
	cfg     Config
	writers []writer
	keys    []key
	readers [][]cursor // by reader, then key
	holes   []hole
	notes   violations // what was wrong at once
	count   Counts
}

// Counts are figures of a run.
type Counts struct {
	Messages   int // sent, each once
	Resent     int // sendings beside the first
	Acked      int
	Duplicates int // of Acked, those that the Ack called so
	Deliveries int
	Dropped    int // of Deliveries, those not above what the reader had
	Skipped    int // messages that loose readers did not get between two that they got
	Flagged    int // gaps that strict readers were told of, in which something was missing
	Missed     int // messages in those gaps
	Kept       int // messages that History had at the end
}

// New makes a checker; all numbers of events are below those of cfg.
func New(cfg Config) *Checker {
	c := &Checker{cfg: cfg, writers: make([]writer, cfg.Writers), keys: make([]key, cfg.Keys), readers: make([][]cursor, cfg.Readers)}
	c.notes.stamp = cfg.Stamp
	for i := range c.writers {
		c.writers[i].last = make([]lastAck, cfg.Keys)
	}
	for i := range c.readers {
		c.readers[i] = make([]cursor, cfg.Keys)
	}
	return c
}

// Note tells of something wrong that the checker cannot see itself.
func (c *Checker) Note(k Kind, format string, args ...any) { c.notes.add(k, format, args...) }

// find returns what is known of a message, nil when it was never sent to key k.
func (c *Checker) find(k int, m Message) *message {
	if int(m.Writer) >= len(c.writers) || int(m.N) >= len(c.writers[m.Writer].sent) {
		return nil
	}
	msg := &c.writers[m.Writer].sent[m.N]
	if int(msg.key) != k {
		return nil
	}
	return msg
}

// learn is told that somebody saw m of key k at a position; how says by what.
func (c *Checker) learn(k int, at Position, m Message, how flags) {
	msg, key := c.find(k, m), &c.keys[k]
	switch {
	case msg == nil:
		c.notes.add(Unknown, "key %d: %s has %s, which nobody sent", k, at, m)
		return
	case at.Offset == 0 || at.Offset > uint64(2*key.sent+1000):
		c.notes.add(Misnumbered, "key %d: %s has %s, and only %d messages were sent", k, at, m, key.sent)
		return
	}
	e, born := key.epoch(at.Epoch)
	if born && e > 0 {
		c.notes.add(Reborn, "key %d: epoch %s comes after %s", k, at.Epoch, key.epochs[e-1].name)
	}
	s := key.epochs[e].slot(at.Offset)
	switch other, taken := s.message(); {
	case !taken:
		s.set(m)
	case other != m:
		if !s.flags.has(isAccused) {
			c.notes.add(Forked, "key %d: %s is both %s and %s", k, at, other, m)
		}
		s.flags |= isAccused
		return
	}
	s.flags |= how
	c.place(k, msg, m, uint8(e), at)
}

// place notes where a message is, which must be one place, above its floor.
func (c *Checker) place(k int, msg *message, m Message, e uint8, at Position) {
	switch {
	case msg.offset == 0:
		msg.offset, msg.epoch = uint32(at.Offset), e
		if msg.epoch == msg.floorEpoch && msg.offset <= msg.floor {
			c.notes.add(WriterOrder, "key %d: %s is at %s, and was sent when its writer knew of offset %d", k, m, at, msg.floor)
		}
	case (msg.offset != uint32(at.Offset) || msg.epoch != e) && !msg.flags.has(isAccused):
		msg.flags |= isAccused
		c.notes.add(Repeated, "key %d: %s is at %s and at offset %d of epoch %s", k, m, at, msg.offset, c.keys[k].epochs[msg.epoch].name)
	}
}

// Counts returns the figures so far.
func (c *Checker) Counts() Counts { return c.count }

// Found counts the violations so far; Check finds more.
func (c *Checker) Found() (n int) {
	for _, m := range c.notes.counts {
		n += m
	}
	return n
}
