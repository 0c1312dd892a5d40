package history

// key is what is known of a topic or room.
type key struct {
	sent   int     // messages sent to it
	epochs []epoch // in the order in which they were seen
	top    Position
	read   bool // top is known: History was read to its end
}

// epoch is one numbering of a key.
type epoch struct {
	name string
	log  []slot // by offset; the first is of offset 1
}

// slot is one offset.
type slot struct {
	n      uint32
	writer uint16 // plus one; 0 when no message is known
	flags  flags
}

func (s *slot) set(m Message) { s.writer, s.n = uint16(m.Writer+1), m.N }

func (s *slot) message() (Message, bool) {
	return Message{uint32(s.writer) - 1, s.n}, s.writer != 0
}

// epoch returns the index of an epoch, and whether it is a new one.
func (k *key) epoch(name string) (index int, born bool) {
	for i := range k.epochs {
		if k.epochs[i].name == name {
			return i, false
		}
	}
	k.epochs = append(k.epochs, epoch{name: name})
	return len(k.epochs) - 1, true
}

func (e *epoch) slot(offset uint64) *slot {
	for uint64(len(e.log)) < offset {
		e.log = append(e.log, slot{})
	}
	return &e.log[offset-1]
}

// acked counts the acked messages from one offset to another, both included.
func (e *epoch) acked(from, to uint64) (n int) {
	for o := from; o <= to && o <= uint64(len(e.log)); o++ {
		if e.log[o-1].flags.has(isAcked) {
			n++
		}
	}
	return n
}

// end is the highest offset at which something is stored for sure.
func (e *epoch) end() uint64 {
	for o := len(e.log); o > 0; o-- {
		if e.log[o-1].flags.has(isAcked | isKept) {
			return uint64(o)
		}
	}
	return 0
}
