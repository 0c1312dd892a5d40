package cluster

import "time"

// look is a node's first look around: it says hello twice, one tick apart, since the first
// may be lost or come before a NATS cluster's other servers know that we listen. It is over
// when two ticks have passed and the last of them brought nobody new; or, where nodes keep
// coming, after DeadAfter, in which everyone has beaten anyway. Owned by Members.
type look struct {
	since time.Time // zero before it has begun
	again bool      // the second hello has been said
	last  time.Time // when somebody new was found
	over  bool
}

// begin starts the look, and starts it anew when we were deaf or stopped meanwhile.
func (l *look) begin(now time.Time) { l.since, l.again = now, false }

func (l *look) found(now time.Time) { l.last = now }

// lookAround carries the look on, once per tick.
func (m *Members) lookAround(now time.Time) {
	l := &m.look
	if l.over {
		return
	}
	if !l.again {
		l.again = true
		m.hello()
		return
	}
	// A timer's ticks are not exact.
	window := m.tickEvery() * 9 / 10
	quiet := now.Sub(l.since) >= 2*window && now.Sub(l.last) >= window
	if quiet || now.Sub(l.since) >= m.deadAfter {
		l.over = true
		m.out.Ready = true
	}
}

// hello makes our next beat one at once that asks everyone to beat.
func (m *Members) hello() { m.say, m.ask = true, true }
