package loadtest

import (
	"maps"
	"slices"
	"sync"
)

// Progress counts what people get while a run goes on. The zero value is ready.
type Progress struct {
	mu  sync.Mutex // guards now
	now Tally
}

// Tally is what was counted so far.
type Tally struct {
	Rooms     []int // messages that were acked, by room
	Heard     []int // deliveries of messages, by room
	Visits    []int // of visitors, begun and ended, by room
	Delivered int   // direct messages that were acked as delivered
	Queued    int   // and as queued
	Late      int   // deliveries of direct messages that had waited
	Unseen    int   // direct messages that reached a connection which broke off at once

	// Errors that answered direct messages, by code: to users who were there, and
	// who were away, from before the sending until after the answer.
	RefusedHere, RefusedAway map[int]int

	Lost     int // connections that ended unasked
	Returned int // connections that were opened in place of those, or of closed ones
}

// Now returns the counts.
func (p *Progress) Now() Tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.now
	t.Rooms, t.Heard, t.Visits = slices.Clone(t.Rooms), slices.Clone(t.Heard), slices.Clone(t.Visits)
	t.RefusedHere, t.RefusedAway = maps.Clone(t.RefusedHere), maps.Clone(t.RefusedAway)
	return t
}

// Since is what came on top of an earlier tally.
func (t Tally) Since(before Tally) Tally {
	less := func(a, b []int) []int {
		a = slices.Clone(a)
		for i := range b {
			a[i] -= b[i]
		}
		return a
	}
	lessCodes := func(a, b map[int]int) map[int]int {
		a = maps.Clone(a)
		for code, n := range b {
			if a[code] -= n; a[code] == 0 {
				delete(a, code)
			}
		}
		return a
	}
	return Tally{
		Rooms:       less(t.Rooms, before.Rooms),
		Heard:       less(t.Heard, before.Heard),
		Visits:      less(t.Visits, before.Visits),
		Delivered:   t.Delivered - before.Delivered,
		Queued:      t.Queued - before.Queued,
		Late:        t.Late - before.Late,
		Unseen:      t.Unseen - before.Unseen,
		RefusedHere: lessCodes(t.RefusedHere, before.RefusedHere),
		RefusedAway: lessCodes(t.RefusedAway, before.RefusedAway),
		Lost:        t.Lost - before.Lost,
		Returned:    t.Returned - before.Returned,
	}
}

func (p *Progress) begin(rooms int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = Tally{
		Rooms: make([]int, rooms), Heard: make([]int, rooms), Visits: make([]int, rooms),
		RefusedHere: make(map[int]int), RefusedAway: make(map[int]int),
	}
}

func (p *Progress) count(f func(*Tally)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.now)
}
