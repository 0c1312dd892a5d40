//go:build linux

package main

import (
	"errors"
	"math"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// sender sends messages at times that are fixed when it is made.
type sender struct {
	end   int64
	lines []line
}

// line is what a worker sends of one kind.
type line struct {
	kind  int
	who   []int32 // local connections that send
	due   int64   // the next message
	n     float64 // messages so far, plus the phase
	begin int64
	rate  float64 // of this worker
}

func (w *worker) newSender(o order) *sender {
	s := &sender{end: o.Start + int64(o.Length)}
	for i := range w.set.Kinds {
		k := &w.set.Kinds[i]
		l := line{kind: i, begin: o.Start, n: float64(w.set.Index) / float64(w.set.Workers)}
		for local := range w.conns {
			if c := w.number(local); k.sends(c) && k.receivers(c) > 0 {
				l.who = append(l.who, int32(local))
			}
		}
		l.rate = k.Rate * float64(len(l.who)) / float64(k.senders(w.set.Total))
		if l.rate > 0 {
			l.plan()
			s.lines = append(s.lines, l)
		}
	}
	return s
}

// plan sets the time of the next message.
func (l *line) plan() { l.due = l.begin + int64(l.n/l.rate*float64(time.Second)) }

// send sends what is due, and says when the next is.
func (w *worker) send(now int64) (next int64, err error) {
	const atOnce = 64 // then the sockets are read
	s := w.sending
	if s == nil {
		return math.MaxInt64, nil
	}
	for range atOnce {
		var l *line
		for i := range s.lines {
			if l == nil || s.lines[i].due < l.due {
				l = &s.lines[i]
			}
		}
		if l == nil || l.due >= s.end {
			if now < s.end {
				return s.end, nil
			}
			w.sending = nil
			return math.MaxInt64, w.answer(answer{})
		}
		if l.due > now {
			return l.due, nil
		}
		if err := w.say(l, now); err != nil {
			return 0, err
		}
		l.n++
		l.plan()
	}
	return now, nil
}

// say sends one message, of a sender that is there.
func (w *worker) say(l *line, now int64) error {
	local := int(l.who[w.rng.IntN(len(l.who))])
	if w.conns[local].stage != there {
		w.counts.Unsent++
		return nil
	}
	c := w.number(local)
	k := &w.set.Kinds[l.kind]
	st := stamp{kind: l.kind, sender: c, seq: w.sent[l.kind][c], due: l.due}
	size := w.set.Size
	if k.Name == kindPresence {
		size = min(size, maxPresence)
	}
	w.tag = st.appendID(w.tag[:0])
	id := len(w.tag)
	w.tag = st.appendPayload(w.tag, size)
	w.buf = w.names.message(w.buf[:0], k, c, w.tag[:id], w.tag[id:])
	if err := w.swarm.Send(int(w.conns[local].socket), w.buf); errors.Is(err, swarm.ErrStuck) {
		w.counts.Unsent++
		return nil
	} else if err != nil {
		return err
	}
	w.sent[l.kind][c]++
	w.flights[message{l.kind, c, st.seq}] = struct{}{}
	w.counts.Sent++
	w.counts.Expected += k.receivers(c)
	w.hists.add(histLate, time.Duration(now-l.due))
	return nil
}

// maxPresence is the longest text about itself that a user may give, bytes.
const maxPresence = 256
