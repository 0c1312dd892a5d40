package store

import "time"

// sessionID names a session: IDs are each user's own.
type sessionID struct{ user, id string }

func (s sessionID) valid() bool {
	return s.user != "" && s.id != "" && len(s.id) <= MaxSessionID
}

// waiting is a note that is not written yet.
type waiting struct {
	Session
	n     uint64    // its number: they grow
	begun time.Time // when the holder began the session; zero: it did not, or that is written
	touch bool      // the state was written before
	ended bool      // the holder's last note

	next *waiting // of the same session and another holder, whose first note came later
}

// loss is a holder that lost its session.
type loss struct{ id, holder string }

// put remembers a note, in place of the one of the same holder that waits.
func (n *Sessions) put(w waiting) {
	id := sessionID{w.User, w.ID}
	if !id.valid() || w.Holder == "" {
		n.store.metrics.sessionsRefused.Inc()
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.n++
	w.n = n.n
	at := n.pending[id]
	var last *waiting
	for at != nil && at.Holder != w.Holder {
		at, last = at.next, at
	}
	more := len(w.State)
	if at != nil {
		more -= len(at.State)
	}
	if n.bytes+more > n.mostBytes || at == nil && n.notes+len(n.losses) >= n.most {
		n.store.metrics.sessionsFull.Inc()
		return
	}
	n.bytes += more
	if at != nil {
		if w.begun.IsZero() {
			w.begun = at.begun
		}
		w.touch = w.touch && at.touch
		w.next = at.next
		*at = w
		return
	}
	added := new(waiting)
	*added = w
	if last != nil {
		last.next = added
	} else {
		n.pending[id] = added
	}
	n.notes++
	n.store.metrics.sessionsPending.Set(float64(n.notes))
}

// remove forgets a note that waits. mu is held.
func (n *Sessions) remove(w *waiting) {
	id := sessionID{w.User, w.ID}
	for at, last := n.pending[id], (*waiting)(nil); at != nil; at, last = at.next, at {
		switch {
		case at != w:
			continue
		case last != nil:
			last.next = w.next
		case w.next != nil:
			n.pending[id] = w.next
		default:
			delete(n.pending, id)
		}
		n.notes--
		n.bytes -= len(w.State)
		return
	}
}
