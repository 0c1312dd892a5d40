package checker

import "time"

type window struct {
	name     string
	from, to time.Duration
}

// Unsettled declares the time between from and to a window: a fault and what the
// system is allowed to settle in. Begin it a little before the fault, by as
// much as an Ack may precede the deliveries of its message.
func (c *Checker) Unsettled(name string, from, to time.Duration) {
	c.windows = append(c.windows, window{name, from, to})
}

// windowAt is the index of a window that holds at, or -1.
func (c *Checker) windowAt(at time.Duration) int {
	for i, w := range c.windows {
		if w.from <= at && at <= w.to {
			return i
		}
	}
	return -1
}
