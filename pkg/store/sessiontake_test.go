package store

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// testSessionFence: once B took a session, nothing of A is written any more.
func testSessionFence(t *testing.T, s opened) {
	a, b := newGateway(s, time.Hour), newGateway(s, time.Hour)
	a.Note(session("fence", "A", "1"), true)
	a.Note(session("fence", "A", "2"), false)
	a.write(t)
	a.Note(session("fence", "A", "3"), false) // waits while B takes
	b.wantTake(t, "fence", "fence", "B", "A", "2")
	a.write(t)
	a.wantHears(t, "fence/A")
	for _, note := range []func(Session){func(s Session) { a.Note(s, false) }, a.Touch, a.End} {
		note(session("fence", "A", "4"))
		a.write(t)
		a.wantHears(t, "fence/A")
	}
	b.Note(session("fence", "B", "5"), false)
	b.write(t)
	b.wantHears(t, "")
	a.wantTake(t, "fence", "fence", "C", "B", "5")
	// Here, what waits is written first: it is the newest state there is.
	a.Note(session("fence", "C", "6"), false)
	a.wantTake(t, "fence", "fence", "D", "C", "6")
	a.Note(session("fence", "D", "7"), false)
	a.Note(session("fence", "C", "8"), false)
	a.write(t)
	a.wantHears(t, "fence/C")
	b.wantTake(t, "fence", "fence", "E", "D", "7")
}

// testSessionTakes: each of several that take a session at once gets the one before it.
func testSessionTakes(t *testing.T, s opened) {
	const gateways, each = 3, 20
	first := newGateway(s, time.Hour)
	first.Note(session("takes", "first", "state"), true)
	first.write(t)
	var all sync.WaitGroup
	former := make([]string, gateways*each) // each owned by its goroutine until all are done
	for i := range gateways {
		g := newGateway(s, time.Hour)
		for j := range each {
			all.Go(func() {
				holder := i*each + j
				got, err := g.Take(t.Context(), "takes", "takes", fmt.Sprint(holder))
				if err != nil || string(got.State) != "state" {
					t.Errorf("took %q, %v", got.State, err)
				}
				former[holder] = got.Holder
			})
		}
	}
	all.Wait()
	// From the last one back to the first, through all.
	last, err := first.Take(t.Context(), "takes", "takes", "last")
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for at := last.Holder; at != "first"; steps++ {
		var n int
		if _, err := fmt.Sscan(at, &n); err != nil || steps > len(former) {
			t.Fatalf("no chain: %q", former)
		}
		at = former[n]
	}
	if steps != len(former) {
		t.Errorf("a chain of %d, want %d: %q", steps, len(former), former)
	}
}

// All clients of a gateway that died come at once: each gets its session, in a few calls.
func testSessionTakesAtOnce(t *testing.T, s opened) {
	const sessions = 2000
	died, g := newGateway(s, time.Hour), newGateway(s, time.Hour)
	for i := range sessions {
		died.Note(session(fmt.Sprint("at once ", i), "died", "state"), true)
	}
	died.write(t)
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() {
			id := fmt.Sprint("at once ", i)
			got, err := g.Take(t.Context(), id, id, fmt.Sprint("new ", i))
			if err != nil || got.Holder != "died" {
				t.Errorf("session %d: %+v, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	if len(g.takes) != 0 {
		t.Errorf("%d takings are left", len(g.takes))
	}
}
