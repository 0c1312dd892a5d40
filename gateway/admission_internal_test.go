package gateway

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// So many are let in a second as ADMIT_RATE says, and a crowd that comes back when it is told to is let in.
func TestDoor(t *testing.T) {
	const rate, crowd = 100, 3000
	d := newDoor(rate)
	due := make([]time.Duration, crowd) // all at once
	tries := 0
	var in []time.Duration
	for len(due) > 0 {
		slices.Sort(due)
		now := due[0]
		due = due[1:]
		if tries++; tries > 3*crowd {
			t.Fatalf("%d are in after %d tries", len(in), tries)
		}
		if wait, ok := d.enter(int64(now) + 1); ok {
			in = append(in, now)
		} else if wait <= 0 || wait > returnMost {
			t.Fatalf("told to wait %v", wait)
		} else {
			due = append(due, now+(wait+time.Second-1).Truncate(time.Second)) // as Retry-After has it
		}
	}
	for i := range in { // in no second more than the rate and the burst
		j, _ := slices.BinarySearch(in, in[i]+time.Second)
		if n := j - i; n > 2*rate {
			t.Fatalf("%d in the second from %v on", n, in[i])
		}
	}
	if last := in[len(in)-1]; last > 2*crowd/rate*time.Second {
		t.Errorf("the last came in after %v", last)
	}
	t.Logf("%d tries for %d, the last in after %v", tries, crowd, in[len(in)-1])
	if _, ok := newDoor(0).enter(0); !ok {
		t.Error("no rate turns somebody away")
	}
}

// A queue of a minute is as long as it gets: more are told times in its second half.
func TestDoorTellsNobodyTooLong(t *testing.T) {
	d := newDoor(1)
	seen := make(map[time.Duration]int)
	for range 10000 {
		if wait, ok := d.enter(1); !ok {
			if wait <= 0 || wait > returnMost {
				t.Fatalf("told to wait %v", wait)
			}
			seen[wait/time.Second]++
		}
	}
	for s, n := range seen {
		if n > 600 {
			t.Errorf("%d of 10000 come back in second %d", n, s)
		}
	}
}

func TestHouseholds(t *testing.T) {
	h := &households{most: 2}
	a, b := netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("2001:db8::/64")
	for i, want := range []bool{true, true, false} {
		if h.enter(a) != want {
			t.Fatalf("number %d of an address that may have two", i+1)
		}
	}
	if !h.enter(b) {
		t.Fatal("the first of another is kept out")
	}
	h.leave(a)
	if !h.enter(a) || h.enter(a) {
		t.Error("who leaves makes room for one")
	}
	h.leave(a)
	h.leave(a)
	h.leave(b)
	if len(h.open) != 0 {
		t.Errorf("%v are counted when all have left", h.open)
	}
}
