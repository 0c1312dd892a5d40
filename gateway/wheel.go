package gateway

import "time"

const (
	// tickLength is the grain of everything a loop does by time.
	tickLength = 250 * time.Millisecond
	wheelSlots = 512 // 128 s; what is further away comes round again
	// lateTicks is by how many ticks at most one turn moves the wheel. A loop that was held up
	// for longer has heard nobody, and must not take its own silence for its clients'.
	lateTicks = 4
)

// wheel keeps each connection in the slot of the tick at which it is to be looked at.
// Nothing moves when a frame comes: the look decides anew.
type wheel struct {
	slots [wheelSlots]uint32 // slot+1 of the first conn; 0: none
	now   uint32             // the last tick that was dealt with
}

func ticks(d time.Duration) uint32 {
	return uint32(max(1, (d+tickLength-1)/tickLength))
}

// tick moves the wheel to the time of this turn, and does what is due by time.
func (l *loop) tick() {
	to := uint32(l.now.Sub(l.start) / tickLength)
	if late := to - l.wheel.now; late > lateTicks {
		l.start = l.start.Add(time.Duration(late-lateTicks) * tickLength)
		to = l.wheel.now + lateTicks
	}
	if to != l.wheel.now {
		l.turnWheel(to)
		l.tickLinks()
		l.expireOps()
		l.tickUsers()
		l.tickTracks()
		l.tickConfirms()
		l.tickSessions()
		l.tickLimits()
	}
}

// schedule puts a connection where it is looked at in the given number of ticks.
func (l *loop) schedule(c *conn, in uint32) {
	l.unschedule(c)
	c.due = l.wheel.now + min(max(in, 1), wheelSlots-1)
	head := &l.wheel.slots[c.due%wheelSlots]
	c.wheelPrev, c.wheelNext = 0, *head
	if *head != 0 {
		l.conns.at(*head - 1).wheelPrev = c.slot + 1
	}
	*head = c.slot + 1
}

func (l *loop) unschedule(c *conn) {
	if c.due == 0 {
		return
	}
	if c.wheelPrev != 0 {
		l.conns.at(c.wheelPrev - 1).wheelNext = c.wheelNext
	} else {
		l.wheel.slots[c.due%wheelSlots] = c.wheelNext
	}
	if c.wheelNext != 0 {
		l.conns.at(c.wheelNext - 1).wheelPrev = c.wheelPrev
	}
	c.wheelPrev, c.wheelNext, c.due = 0, 0, 0
}

// turnWheel looks at the connections whose ticks have come.
func (l *loop) turnWheel(to uint32) {
	for l.wheel.now < to {
		l.wheel.now++
		at := &l.wheel.slots[l.wheel.now%wheelSlots]
		for *at != 0 {
			c := l.conns.at(*at - 1)
			l.unschedule(c)
			l.lookGuarded(c)
		}
	}
}

// look does what is due for a connection by time, and schedules the next look.
func (l *loop) look(c *conn) {
	now := l.wheel.now
	switch c.state {
	case stateHead, stateVerifying:
		if now >= c.until {
			l.drop(c, endHandshakeTimeout)
			return
		}
		l.schedule(c, c.until-now)
	case stateClosing:
		if now >= c.until {
			l.drop(c, endClosed)
			return
		}
		l.schedule(c, c.until-now)
	case stateOpen:
		l.lookOpen(c, now)
	}
}

func (l *loop) lookOpen(c *conn, now uint32) {
	renewal, ended := l.watchToken(c)
	if ended {
		return
	}
	quiet := now - c.heard
	if quiet >= l.clientTimeout {
		l.closeWith(c, closeTimeout, "no frame and no pong", endTimeout)
		return
	}
	next := l.heartbeat
	if quiet < l.heartbeat {
		next -= quiet
	} else {
		l.sendControl(c, opPing, nil)
	}
	l.schedule(c, min(next, l.clientTimeout-quiet, l.refreshSession(c), renewal))
}
