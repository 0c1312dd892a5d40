package history

import (
	"fmt"
	"math/rand/v2"
)

// event is a call of the checker.
type event struct {
	op        string
	who, key  int
	at        Position
	m         Message
	yes       bool
	conn      int
	redundant bool // a delivery of what the reader has
}

func (e event) String() string {
	return fmt.Sprintf("%s who=%d key=%d at=%s m=%s yes=%v conn=%d", e.op, e.who, e.key, e.at, e.m, e.yes, e.conn)
}

func (e event) tell(c *Checker) {
	switch e.op {
	case "sent":
		c.Sent(e.m, e.key)
	case "acked":
		c.Acked(e.m, e.at, e.yes, e.conn)
	case "connected":
		c.Connected(e.who)
	case "anew":
		c.Anew(e.who, e.key)
	case "begun":
		c.Begun(e.who, e.key, e.at)
	case "left":
		c.Left(e.who, e.key)
	case "recovered":
		c.Recovered(e.who, e.key, e.at, e.yes)
	case "resumed":
		c.Resumed(e.who, e.key, e.at, e.yes)
	case "gap":
		c.Gap(e.who, e.key, e.at)
	case "delivered":
		c.Delivered(e.who, e.key, e.at, e.m)
	case "kept":
		c.Kept(e.key, e.at, e.m)
	case "top":
		c.Top(e.key, e.at)
	default:
		panic(e.op)
	}
}

const (
	nKeys    = 2
	nWriters = 2
	nReaders = 3 // the last is loose
)

func config() Config {
	return Config{Keys: nKeys, Writers: nWriters, Readers: nReaders, Loose: func(r int) bool { return r == nReaders-1 }}
}

// world is a right server with its clients, as naive as can be.
type world struct {
	rng     *rand.Rand
	events  []event
	logs    [nKeys][]Message
	writers [nWriters]struct {
		n      uint32
		unsure []Message // sent, not yet acked; the front is to be sent again
		key    int
		conn   int
	}
	readers [nReaders][nKeys]struct {
		asked     bool
		has, next int // offsets: what the reader has, what the server sends next
	}
}

func (w *world) add(e event) { w.events = append(w.events, e) }

func (w *world) pos(key, offset int) Position {
	if offset == 0 && len(w.logs[key]) == 0 {
		return Position{0, "unborn"}
	}
	return Position{uint64(offset), fmt.Sprint("epoch of ", key)}
}

// script is what the checker is told of a right run of some steps.
func script(seed uint64, steps int) []event {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1))}
	for range steps {
		if w.rng.IntN(2) == 0 {
			w.write(w.rng.IntN(nWriters))
		} else {
			w.read(w.rng.IntN(nReaders), w.rng.IntN(nKeys))
		}
	}
	for i := range w.writers {
		for len(w.writers[i].unsure) > 0 {
			w.again(i)
		}
	}
	for r := range w.readers {
		for k := range w.readers[r] {
			for w.readers[r][k].asked && w.deliver(r, k) {
			}
		}
	}
	for k := range w.logs {
		for i, m := range w.logs[k] {
			w.add(event{op: "kept", key: k, at: w.pos(k, i+1), m: m})
		}
		w.add(event{op: "top", key: k, at: w.pos(k, len(w.logs[k]))})
	}
	return w.events
}

func (w *world) write(i int) {
	wr := &w.writers[i]
	if len(wr.unsure) > 0 {
		w.again(i)
		return
	}
	wr.key = w.rng.IntN(nKeys)
	for range 1 + w.rng.IntN(3) { // several in flight
		m := Message{uint32(i), wr.n}
		wr.n++
		w.add(event{op: "sent", key: wr.key, m: m})
		if w.rng.IntN(4) > 0 {
			w.logs[wr.key] = append(w.logs[wr.key], m)
		}
		wr.unsure = append(wr.unsure, m)
	}
	// Some of them are acked at once: those in front, so that the order of the rest stays.
	for len(wr.unsure) > 0 && w.rng.IntN(3) > 0 && w.offset(wr.key, wr.unsure[0]) > 0 {
		w.ack(i, false)
	}
}

// again is a new connection that sends the first unsure message again.
func (w *world) again(i int) {
	wr := &w.writers[i]
	wr.conn++
	m := wr.unsure[0]
	w.add(event{op: "sent", key: wr.key, m: m})
	duplicate := w.offset(wr.key, m) > 0
	if !duplicate {
		w.logs[wr.key] = append(w.logs[wr.key], m)
	}
	w.ack(i, duplicate)
}

func (w *world) ack(i int, duplicate bool) {
	wr := &w.writers[i]
	m := wr.unsure[0]
	wr.unsure = wr.unsure[1:]
	w.add(event{op: "acked", key: wr.key, m: m, at: w.pos(wr.key, w.offset(wr.key, m)), yes: duplicate, conn: wr.conn})
}

func (w *world) offset(key int, m Message) int {
	for i, other := range w.logs[key] {
		if other == m {
			return i + 1
		}
	}
	return 0
}

func (w *world) read(r, k int) {
	rd := &w.readers[r][k]
	top := w.pos(k, len(w.logs[k]))
	loose := r == nReaders-1
	switch n := w.rng.IntN(10); {
	case !rd.asked || n == 0 && w.rng.IntN(3) == 0:
		rd.asked, rd.has, rd.next = true, len(w.logs[k]), len(w.logs[k])+1
		if loose {
			w.add(event{op: "anew", who: r, key: k})
		} else {
			w.add(event{op: "begun", who: r, key: k, at: top})
		}
	case n == 1 && !loose:
		w.add(event{op: "left", who: r, key: k})
		rd.next = rd.has + 1
		if w.rng.IntN(2) == 0 {
			w.write(w.rng.IntN(nWriters))
			top = w.pos(k, len(w.logs[k]))
		}
		w.add(event{op: "recovered", who: r, key: k, at: top, yes: true})
	case n == 0: // reconnect: all keys
		w.add(event{op: "connected", who: r})
		for k := range w.readers[r] {
			rd, top := &w.readers[r][k], w.pos(k, len(w.logs[k]))
			switch {
			case !rd.asked:
			case loose:
				rd.has, rd.next = len(w.logs[k]), len(w.logs[k])+1
				w.add(event{op: "anew", who: r, key: k})
			case w.rng.IntN(2) == 0:
				rd.next = rd.has + 1
				w.add(event{op: "recovered", who: r, key: k, at: top, yes: true})
			default:
				rd.next = max(1, rd.next-w.rng.IntN(3)) // what the session knows is old
				w.add(event{op: "resumed", who: r, key: k, at: top, yes: true})
			}
		}
	default:
		w.deliver(r, k)
	}
}

func (w *world) deliver(r, k int) bool {
	rd := &w.readers[r][k]
	if rd.next > len(w.logs[k]) {
		return false
	}
	w.add(event{op: "delivered", who: r, key: k, at: w.pos(k, rd.next), m: w.logs[k][rd.next-1], redundant: rd.next <= rd.has})
	rd.has = max(rd.has, rd.next)
	rd.next++
	return true
}
