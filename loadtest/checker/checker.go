package checker

import (
	"math"
	"time"
)

// Config sizes a Checker.
type Config struct {
	Topics, Publishers, Subscribers int
	// Mailboxes follow the topics: mailbox m is topic Topics+m.
	Mailboxes int
	// Lag is by how much an Ack may precede the deliveries of its message: who leaves
	// sooner need not have got it. 0 by default.
	Lag time.Duration
	// MaxEvents bounds the memory: messages (32 bytes each) and deliveries (16
	// bytes each) above this many are not recorded, and the verdict says so. 20
	// million by default.
	MaxEvents int
}

// Checker collects events. It is not safe for concurrent use. Times are
// durations since an arbitrary start, precise to 0.1 ms.
type Checker struct {
	cfg      Config
	messages [][]message     // by publisher, then number
	stopped  []time.Duration // by publisher; never while it goes on
	lanes    [][]lane        // by subscriber, then topic
	names    map[ref]string  // message_ids, of those that Named told
	windows  []window
	notes    violations // what was wrong at once
	events   int
	dropped  int
}

const (
	tick  = 100 * time.Microsecond
	never = time.Duration(math.MaxInt64)
)

// New makes a checker for cfg's topics 0..Topics-1, and so on.
func New(cfg Config) *Checker {
	if cfg.MaxEvents <= 0 {
		cfg.MaxEvents = 20_000_000
	}
	c := &Checker{cfg: cfg, names: make(map[ref]string)}
	for range cfg.Publishers {
		c.Publisher()
	}
	for range cfg.Subscribers {
		c.Subscriber()
	}
	return c
}

func (c *Checker) topics() int { return c.cfg.Topics + c.cfg.Mailboxes }

func (c *Checker) mailbox(topic int) bool { return topic >= c.cfg.Topics }

func (c *Checker) room() bool {
	if c.events >= c.cfg.MaxEvents {
		c.dropped++
		return false
	}
	c.events++
	return true
}
