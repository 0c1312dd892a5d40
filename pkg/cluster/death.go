package cluster

import "time"

// This file is Members' judgement of who is dead, ourselves included.

// reap declares dead whoever has been silent for DeadAfter, or was suspected for SuspectAfter.
func (m *Members) reap(now time.Time) {
	for _, p := range m.peers {
		why := Died
		if now.Sub(p.heard) < m.deadAfter {
			if !m.overdue(p, now) {
				continue
			}
			why = DiedSuspected
		}
		m.tombs.bury(p.Ref, now)
		m.drop(p, why)
	}
}

// listening reports whether others' silence is evidence: our link is up and, once we know
// that our own beats come back to us, they do.
func (m *Members) listening(now time.Time) bool {
	return m.linkDown.IsZero() && (m.lastEcho.IsZero() || now.Sub(m.lastEcho) < m.deafAfter())
}

// echo says that one of our own beats came back: we hear.
func (m *Members) echo(now time.Time) {
	if deaf := now.Sub(m.lastEcho); !m.lastEcho.IsZero() && deaf >= m.deafAfter() {
		m.excuse(now, deaf)
		m.away(deaf)
	}
	m.lastEcho = now
}

// wake is called with each input: one that comes long after the last Tick tells that this
// process was stopped, whether it is a Tick or a beat that waited in a queue.
func (m *Members) wake(now time.Time) {
	if m.lastTick.IsZero() {
		return
	}
	late := now.Sub(m.lastTick) - m.tickEvery()
	if late <= m.interval {
		return
	}
	m.lastTick = now
	m.excuse(now, late)
	m.look.begin(now)
	if late > m.deadAfter {
		m.depose(m.self.Inc + 1) // the others have buried us
	} else {
		m.hello()
	}
}

// away ends a time in which nobody may have heard us. Whoever buried us will say so, unless
// it was so long that they may have forgotten; then we do not wait to be told.
func (m *Members) away(d time.Duration) {
	if d > tombKeep/2 {
		m.depose(m.self.Inc + 1)
	}
}

// excuse takes d of silence from everyone, ourselves included: we did not listen.
func (m *Members) excuse(now time.Time, d time.Duration) {
	later := func(t time.Time) time.Time {
		if t = t.Add(d); t.After(now) {
			return now
		}
		return t
	}
	for _, p := range m.peers {
		p.heard = later(p.heard)
		if !p.suspected.IsZero() {
			p.suspected = later(p.suspected)
		}
	}
	if !m.lastEcho.IsZero() {
		m.lastEcho = later(m.lastEcho)
	}
}

// Renew makes us go on under a new incarnation of our own accord.
func (m *Members) Renew(now time.Time) Effects {
	m.depose(m.self.Inc + 1)
	return m.finish(now)
}

// depose makes us go on under a new incarnation.
func (m *Members) depose(inc uint32) {
	m.self.Inc = inc
	m.out.Deposed = true
	m.note(m.self, Reincarnated)
	m.hello()
}
