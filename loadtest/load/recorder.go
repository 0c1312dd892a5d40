//go:build linux

package main

import (
	"fmt"
	"math"
)

// recorder checks that each receiver sees each message of each sender once and in order.
type recorder struct {
	// static
	kinds  []kind
	first  []int // by kind: its first slot of a connection
	slots  int   // of a connection
	number func(local int) int

	next    []uint32       // by connection of this worker and slot: the number it must see next
	missing map[int][]span // by index of next: what was passed over
	spans   int            // in missing
	resumed []bool         // likewise: its connection resumed, and nothing new has come since

	wrong wrongs
}

// wrongs is what must not be.
type wrongs struct {
	Lost         int      `json:"lost"`         // did not come
	Doubled      int      `json:"doubled"`      // came again
	Disordered   int      `json:"disordered"`   // came behind a later one of the same sender
	Misdelivered int      `json:"misdelivered"` // came to one it was not for
	Again        int      `json:"again"`        // came again behind a resume, before anything new, as the protocol allows
	Excused      int      `json:"excused"`      // did not come, and its sender had no Ack
	Unchecked    int      `json:"unchecked"`    // gaps that were not recorded, as there were too many
	Examples     []string `json:"examples,omitempty"`
}

// span is messages by number, without the last.
type span struct{ from, to uint32 }

const (
	anything    = math.MaxUint32 // as the number due: the receiver was away, and whatever comes begins anew
	maxSpans    = 1 << 20
	maxExamples = 10
)

// newRecorder is one for n connections, of which number tells the number among all.
func newRecorder(kinds []kind, n int, number func(local int) int) *recorder {
	r := &recorder{kinds: kinds, number: number, missing: make(map[int][]span)}
	for i := range kinds {
		r.first = append(r.first, r.slots)
		r.slots += kinds[i].slots()
	}
	r.next, r.resumed = make([]uint32, n*r.slots), make([]bool, n*r.slots)
	return r
}

// arrived takes a delivery, and says whether it is one more that was due.
func (r *recorder) arrived(local int, s stamp) bool {
	slot := -1
	if s.kind < len(r.kinds) {
		slot = r.kinds[s.kind].slot(r.number(local), s.sender)
	}
	if slot < 0 {
		r.wrong.Misdelivered++
		r.example("connection %d got message %d of connection %d, kind %d", r.number(local), s.seq, s.sender, s.kind)
		return false
	}
	at := local*r.slots + r.first[s.kind] + slot
	due := r.next[at]
	switch {
	case r.kinds[s.kind].Name == kindPresence && (s.seq+1 == due || due == anything):
		r.next[at] = s.seq + 1 // what a user said last is told again when it comes and goes
		return false
	case s.seq == due || due == anything:
		r.next[at], r.resumed[at] = s.seq+1, false
		return true
	case s.seq < due && r.resumed[at]:
		r.wrong.Again++
		return false
	case s.seq > due:
		r.skip(at, span{due, s.seq})
		r.next[at], r.resumed[at] = s.seq+1, false
		return true
	case r.found(at, s.seq):
		r.wrong.Disordered++
		r.example("connection %d got message %d of connection %d where %d was due", r.number(local), s.seq, s.sender, due)
		return true
	}
	r.wrong.Doubled++
	r.example("connection %d got message %d of connection %d again", r.number(local), s.seq, s.sender)
	return false
}

// away forgets what a connection is to see, because it was not there.
func (r *recorder) away(local int) {
	for i := local * r.slots; i < (local+1)*r.slots; i++ {
		r.next[i] = anything
	}
}

// resume expects of a connection that was away what it has missed.
func (r *recorder) resume(local int) {
	for i := local * r.slots; i < (local+1)*r.slots; i++ {
		r.resumed[i] = true
	}
}

func (r *recorder) skip(at int, s span) {
	if r.spans == maxSpans {
		r.wrong.Unchecked++
		r.wrong.Lost += int(s.to - s.from)
		return
	}
	r.spans++
	r.missing[at] = append(r.missing[at], s)
}

// found takes a message out of those that were passed over.
func (r *recorder) found(at int, seq uint32) bool {
	for i, s := range r.missing[at] {
		if seq < s.from || seq >= s.to {
			continue
		}
		list := append(r.missing[at][:i:i], r.missing[at][i+1:]...)
		for _, rest := range []span{{s.from, seq}, {seq + 1, s.to}} {
			if rest.from < rest.to {
				list = append(list, rest)
			}
		}
		r.spans += len(list) - len(r.missing[at])
		r.missing[at] = list
		return true
	}
	return false
}

// message names one.
type message struct {
	kind, sender int
	seq          uint32
}

// verify looks for what did not come, when nothing comes any more. sent is how many messages of each kind
// each connection sent; excused are those without an Ack.
func (r *recorder) verify(sent [][]uint32, excused map[message]bool) wrongs {
	for i := range r.kinds {
		k := &r.kinds[i]
		for local := range len(r.next) / max(r.slots, 1) {
			for slot := range k.slots() {
				c := k.source(r.number(local), slot)
				if c < 0 {
					continue
				}
				at := local*r.slots + r.first[i] + slot
				spans := r.missing[at]
				if due := r.next[at]; due != anything && due < sent[i][c] {
					spans = append(spans, span{due, sent[i][c]})
				}
				for _, s := range spans {
					r.lost(s, message{kind: i, sender: c}, local, excused)
				}
			}
		}
	}
	return r.wrong
}

func (r *recorder) lost(s span, m message, local int, excused map[message]bool) {
	for m.seq = s.from; m.seq < s.to; m.seq++ {
		if excused[m] {
			r.wrong.Excused++
			continue
		}
		r.wrong.Lost++
		r.example("connection %d did not get message %d of connection %d, kind %s", r.number(local), m.seq, m.sender, r.kinds[m.kind].Name)
	}
}

func (r *recorder) example(format string, args ...any) {
	if len(r.wrong.Examples) < maxExamples {
		r.wrong.Examples = append(r.wrong.Examples, fmt.Sprintf(format, args...))
	}
}

// add sums two up.
func (w *wrongs) add(o wrongs) {
	w.Lost += o.Lost
	w.Doubled += o.Doubled
	w.Disordered += o.Disordered
	w.Misdelivered += o.Misdelivered
	w.Again += o.Again
	w.Excused += o.Excused
	w.Unchecked += o.Unchecked
	for _, e := range o.Examples {
		if len(w.Examples) < maxExamples {
			w.Examples = append(w.Examples, e)
		}
	}
}

// broken is how many promises were.
func (w *wrongs) broken() int { return w.Lost + w.Doubled + w.Disordered + w.Misdelivered }
