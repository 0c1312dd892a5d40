package history

// cursor is how far a reader is with a key.
type cursor struct {
	Position       // it has all up to here, or was told what it has not
	state    state // of Position
	flagged  bool  // it was told that what follows is not whole up to limit
	limit    uint64

	// What was seen last on this connection: nothing at or below comes.
	raw      uint64
	rawEpoch string
}

type state uint8

const (
	outside state = iota // it did not ask for the key
	anew                 // it asked, and the next message tells where it is
	placed
	absent // it gave the key up for a while, and keeps its position
)

// hole is a stretch of messages that a reader should have got.
type hole struct {
	reader, key int
	epoch       string
	from, to    uint64
}

// maxHoles bounds the memory of a run in which all goes wrong.
const maxHoles = 100_000

// Connected says that a reader has a new connection.
func (c *Checker) Connected(reader int) {
	for k := range c.readers[reader] {
		c.readers[reader][k].raw = 0
	}
}

// Anew says that a reader gets the messages of a key from now on, and nobody told it where that is.
func (c *Checker) Anew(reader, key int) { c.readers[reader][key] = cursor{state: anew} }

// Begun says that a reader asked for a key for the first time, or gave up what it had, and was told its position.
func (c *Checker) Begun(reader, key int, at Position) {
	if at.Offset > uint64(c.keys[key].sent) {
		c.notes.add(Misnumbered, "reader %d, key %d: it is told to be at %s, and only %d messages were sent", reader, key, at, c.keys[key].sent)
	}
	c.readers[reader][key] = cursor{Position: at, state: placed, raw: at.Offset, rawEpoch: at.Epoch}
}

// Left says that a reader was answered that it gets nothing of a key any more. It keeps its position.
func (c *Checker) Left(reader, key int) {
	if cu := &c.readers[reader][key]; cu.state == placed {
		cu.state = absent
	} else {
		cu.state = outside
	}
}

// Recovered answers a reader that gave its position and asked for what follows. top is where the history
// ends; whole, that all up to there will come.
func (c *Checker) Recovered(reader, key int, top Position, whole bool) {
	cu := &c.readers[reader][key]
	if cu.state != placed && cu.state != absent {
		c.Begun(reader, key, top)
		return
	}
	cu.state = placed
	cu.raw, cu.rawEpoch = cu.Offset, cu.Epoch
	c.told(reader, key, top, whole)
}

// Resumed says that a session was resumed that had the key.
func (c *Checker) Resumed(reader, key int, top Position, whole bool) {
	cu := &c.readers[reader][key]
	if cu.state == absent {
		cu.state = placed
	}
	if cu.state != placed {
		c.Anew(reader, key)
		return
	}
	c.told(reader, key, top, whole)
}

// Gap says that a reader was told, on a connection, that it missed something up to top.
func (c *Checker) Gap(reader, key int, top Position) {
	if c.readers[reader][key].state == placed {
		c.told(reader, key, top, false)
	}
}

func (c *Checker) told(reader, key int, top Position, whole bool) {
	cu := &c.readers[reader][key]
	if top.Epoch != "" && cu.Offset > 0 && top.Epoch != cu.Epoch {
		c.notes.add(Reborn, "reader %d, key %d: told %s after %s", reader, key, top, cu.Position)
	}
	if !whole {
		cu.flagged, cu.limit = true, max(top.Offset, cu.Offset)
	}
}

// Delivered says that m arrived at a reader.
func (c *Checker) Delivered(reader, key int, at Position, m Message) {
	c.count.Deliveries++
	c.learn(key, at, m, isDelivered)
	cu := &c.readers[reader][key]
	if cu.raw > 0 && cu.rawEpoch == at.Epoch && at.Offset <= cu.raw {
		kind := Order
		if at.Offset == cu.raw {
			kind = Doubled
		}
		c.notes.add(kind, "reader %d, key %d: %s, %s, came on a connection that was at %d", reader, key, m, at, cu.raw)
	}
	cu.raw, cu.rawEpoch = at.Offset, at.Epoch
	switch {
	case cu.state == outside || cu.state == absent:
		c.notes.add(Uninvited, "reader %d, key %d: %s, %s", reader, key, m, at)
		return
	case cu.state == anew:
	case cu.Epoch == at.Epoch && at.Offset <= cu.Offset:
		c.count.Dropped++
		return
	case cu.Epoch == at.Epoch || cu.Offset == 0:
		if at.Offset > cu.Offset+1 {
			c.jump(reader, key, cu, at)
		}
	} // else another epoch, of which learn told
	cu.Position, cu.state, cu.flagged = at, placed, false
}

// jump notes that a reader missed what is between its position and at.
func (c *Checker) jump(reader, key int, cu *cursor, at Position) {
	from, to := cu.Offset+1, at.Offset-1
	switch {
	case c.loose(reader):
		c.count.Skipped += int(to - from + 1)
		if !cu.flagged {
			c.notes.add(Gap, "reader %d, key %d: %d to %d of epoch %s are missing on one connection", reader, key, from, to, at.Epoch)
		}
		return
	case cu.flagged && to <= cu.limit:
		c.count.Flagged++
		c.count.Missed += int(to - from + 1)
		// No more are stored than were sent.
		if most := uint64(c.keys[key].sent); c.cfg.Size == 0 || from+uint64(c.cfg.Size) > most {
			c.notes.add(Needless, "reader %d, key %d: it is told, with the end at %d, that it missed %d to %d, which are kept: %d were sent", reader, key, cu.limit, from, to, most)
		}
		return
	}
	c.notes.add(Gap, "reader %d, key %d: %d to %d of epoch %s are missing", reader, key, from, to, at.Epoch)
	c.hole(hole{reader, key, at.Epoch, from, to})
}

func (c *Checker) hole(h hole) {
	if len(c.holes) < maxHoles {
		c.holes = append(c.holes, h)
	}
}

func (c *Checker) loose(reader int) bool { return c.cfg.Loose != nil && c.cfg.Loose(reader) }

// At is the position of a reader in a key; ok says that it has one.
func (c *Checker) At(reader, key int) (at Position, ok bool) {
	cu := &c.readers[reader][key]
	return cu.Position, cu.state == placed || cu.state == absent
}

// Behind counts the readers' keys whose end, as far as Acks and History tell, did not arrive.
func (c *Checker) Behind() (n int) {
	for r := range c.readers {
		for k := range c.readers[r] {
			if _, ok := c.tail(r, k); ok {
				n++
			}
		}
	}
	return n
}

// tail is what a reader still misses at the end of a key.
func (c *Checker) tail(reader, k int) (h hole, ok bool) {
	cu, key := &c.readers[reader][k], &c.keys[k]
	if cu.state != placed || c.loose(reader) || len(key.epochs) == 0 {
		return h, false
	}
	e := &key.epochs[len(key.epochs)-1]
	from, to := cu.Offset+1, e.end()
	if cu.Epoch != e.name {
		from = 1
	}
	if cu.flagged {
		from = max(from, cu.limit+1)
	}
	return hole{reader, k, e.name, from, to}, from <= to
}
