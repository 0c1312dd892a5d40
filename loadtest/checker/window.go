package checker

import "time"

type window struct {
	name     string
	from, to time.Duration
	lossy    bool
}

// Unsettled declares the time between from and to a window: a fault and what the
// system is allowed to settle in. Begin it a little before the fault, by as
// much as an Ack may precede the deliveries of its message.
func (c *Checker) Unsettled(name string, from, to time.Duration) {
	c.windows = append(c.windows, window{name, from, to, true})
}

// Disturbed declares a window in which nobody dies who may have acked something:
// messages may be refused or go unanswered, but what is acked arrives.
func (c *Checker) Disturbed(name string, from, to time.Duration) {
	c.windows = append(c.windows, window{name, from, to, false})
}

// windowAt is the index of a window that holds at, or -1.
func (c *Checker) windowAt(at time.Duration) int {
	for i, w := range c.windows {
		if w.holds(at) {
			return i
		}
	}
	return -1
}

// lossyAt is the index of a window that holds at and excuses losses, or -1.
func (c *Checker) lossyAt(at time.Duration) int {
	for i, w := range c.windows {
		if w.lossy && w.holds(at) {
			return i
		}
	}
	return -1
}

func (w window) holds(at time.Duration) bool { return w.from <= at && at <= w.to }
