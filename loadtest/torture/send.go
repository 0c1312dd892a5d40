package main

import (
	"slices"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
	"github.com/realtime-cluster/realtime/loadtest/client"
)

// answer is what came of a sending.
type answer struct {
	s    *sending
	line *line
	ack  client.Ack
	err  error
}

// send sends what is due: what has to be sent again, in its order, then new messages, as many as the rate allows.
func (w *writer) send(conn *client.Client, answers chan<- answer, done bool) error {
	now := w.rec.now()
	for _, l := range w.lines {
		for _, s := range l.pending {
			if s.out {
				continue
			}
			if s.again > now {
				break // those behind it stay behind it
			}
			if err := w.post(conn, answers, l, s); err != nil {
				return err
			}
		}
	}
	share := w.set.rate / float64(w.set.writers)
	w.owed = min(w.owed+share*tick.Seconds(), share/4)
	for tries := 0; !done && w.owed >= 1 && tries < len(w.lines); tries++ {
		w.turn++
		l := w.lines[w.turn%len(w.lines)]
		if len(l.pending) >= l.window {
			continue
		}
		tries = 0
		w.owed--
		s := &sending{m: history.Message{Writer: uint32(w.index), N: w.next}, key: l.key}
		w.next++
		l.pending = append(l.pending, s)
		if err := w.post(conn, answers, l, s); err != nil {
			return err
		}
	}
	return nil
}

// post sends a message, for the first time or again.
func (w *writer) post(conn *client.Client, answers chan<- answer, l *line, s *sending) error {
	w.rec.sending(s.m, s.key)
	s.out, s.since = true, w.rec.now()
	s.tries++
	number, post := w.conn, conn.PublishAs
	if w.set.room(s.key) {
		post = conn.SendRoomAs
	}
	return post(idOf(s.m), w.set.name(s.key), payloadOf(s.m, s.key, w.set.payload), func(a client.Ack, err error) {
		if err == nil {
			// Told at once: what is sent from here on is sent behind it.
			w.rec.ack(s.m, s.key, a, number)
		}
		answers <- answer{s, l, a, err}
	})
}

func (w *writer) answered(a answer) {
	if a.err == nil {
		a.line.pending = slices.DeleteFunc(a.line.pending, func(s *sending) bool { return s == a.s })
		return
	}
	w.rec.refuse(a.err)
	a.s.out = false
	wait := min(backoff<<min(a.s.tries-1, 10), backoffs)
	a.s.again = w.rec.now() + between(w.rng, wait/2, wait)
}
