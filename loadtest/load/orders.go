//go:build linux

package main

import (
	"net/netip"
	"time"
)

// setup is what a worker is told first.
type setup struct {
	Index      int              `json:"index"`   // of this worker
	Workers    int              `json:"workers"` // of them all: connection c belongs to worker c % Workers
	Targets    []netip.AddrPort `json:"targets"`
	Paths      []string         `json:"paths"` // by target
	Source     netip.Addr       `json:"source,omitzero"`
	Secret     string           `json:"secret"`
	TokenLife  time.Duration    `json:"token_life"`
	Run        string           `json:"run"` // part of all names
	Kinds      []kind           `json:"kinds"`
	Total      int              `json:"total"`   // connections of all workers
	History    bool             `json:"history"` // what was said while a connection was away comes when it resumes
	Own        int              `json:"own"`     // further topics of each connection
	Size       int              `json:"size"`    // of a payload, bytes
	Handshakes int              `json:"handshakes"`
	Reconnect  bool             `json:"reconnect"`
	Tick       time.Duration    `json:"tick"`
}

// order is what a worker is told after that.
type order struct {
	Do string `json:"do"`

	Upto int     `json:"upto,omitempty"` // connect: how many of all connections there are to be
	Rate float64 `json:"rate,omitempty"` // connect: connections a second, of all workers

	Start  int64         `json:"start,omitempty"`  // send: by the clock
	Length time.Duration `json:"length,omitempty"` // send

	Sent    []triple `json:"sent,omitempty"`    // verify: kind, sender and number of messages
	Excused []triple `json:"excused,omitempty"` // verify: kind, sender and number of the message

	Target int `json:"target,omitempty"` // drain
}

type triple [3]int

// What a worker may be told to do.
const (
	doConnect = "connect" // open connections; answered when they are there
	doSend    = "send"    // send messages; answered when all are sent
	doHalt    = "halt"    // open and send no more: answers what goes on, and nothing else
	doFlush   = "flush"   // answer with what was measured
	doState   = "state"   // answer with the counters
	doAccount = "account" // answer with what was sent, and what has no Ack
	doVerify  = "verify"  // answer with what was lost
	doDrain   = "drain"   // expect the end of a target: connect to others
)

// answer is what comes from a worker: to an order, or a tick.
type answer struct {
	Tick    bool              `json:"tick,omitempty"`
	Counts  counts            `json:"counts"`
	Hists   map[string]string `json:"hists,omitempty"` // since the tick or flush before
	Sent    []triple          `json:"sent,omitempty"`
	Excused []triple          `json:"excused,omitempty"`
	Wrong   wrongs            `json:"wrong"`
}

// counts are counted from the beginning of the run, but for the first three.
type counts struct {
	Ready    int `json:"ready"`    // connections that are there
	Greeting int `json:"greeting"` // connections on their way
	InFlight int `json:"in_flight"`

	Opened    int            `json:"opened"`
	Welcomed  int            `json:"welcomed"`
	Unresumed int            `json:"unresumed"` // came back, and its session was not there
	Failed    int            `json:"failed"`    // connections given up
	Refused   map[string]int `json:"refused"`   // handshakes, by status or reason
	Closed    map[string]int `json:"closed"`    // connections, by close code or reason
	Sent      int            `json:"sent"`
	Unsent    int            `json:"unsent"` // due while their sender was away
	Acked     int            `json:"acked"`
	Errors    map[string]int `json:"errors"` // Error messages by code
	Delivered int            `json:"delivered"`
	Expected  int            `json:"expected"` // deliveries of what was sent and not refused
	Others    int            `json:"others"`   // messages about rooms and users that nobody sent
	Bytes     int            `json:"bytes"`    // of messages read

	Drain drainCounts `json:"drain"`
}

// drainCounts are about the connections to the target that ends.
type drainCounts struct {
	Held      int `json:"held"`
	Told      int `json:"told"`      // were told reconnect_after_ms
	MostMS    int `json:"most_ms"`   // the longest of these
	Restarts  int `json:"restarts"`  // were closed 1012
	Otherwise int `json:"otherwise"` // ended in another way
	Back      int `json:"back"`      // are there again, elsewhere
	Resumed   int `json:"resumed"`   // of Back, with their session
}

// add adds those of another worker.
func (c *counts) add(o counts) {
	c.Ready += o.Ready
	c.Greeting += o.Greeting
	c.InFlight += o.InFlight
	c.Opened += o.Opened
	c.Welcomed += o.Welcomed
	c.Unresumed += o.Unresumed
	c.Failed += o.Failed
	c.Sent += o.Sent
	c.Unsent += o.Unsent
	c.Acked += o.Acked
	c.Delivered += o.Delivered
	c.Expected += o.Expected
	c.Others += o.Others
	c.Bytes += o.Bytes
	for _, m := range []struct {
		to   map[string]int
		from map[string]int
	}{{c.Refused, o.Refused}, {c.Closed, o.Closed}, {c.Errors, o.Errors}} {
		for name, n := range m.from {
			m.to[name] += n
		}
	}
	c.Drain.Held += o.Drain.Held
	c.Drain.Told += o.Drain.Told
	c.Drain.MostMS = max(c.Drain.MostMS, o.Drain.MostMS)
	c.Drain.Restarts += o.Drain.Restarts
	c.Drain.Otherwise += o.Drain.Otherwise
	c.Drain.Back += o.Drain.Back
	c.Drain.Resumed += o.Drain.Resumed
}
