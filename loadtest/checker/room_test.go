package checker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker"
)

// A room's members 0 and 1; publisher 0 is a member too.
func TestPromisesOfRooms(t *testing.T) {
	hold(t, checker.Config{Topics: 2, Publishers: 2, Subscribers: 3}, []promise{
		{"a member left, and what was on its way still came", `
			join 0 0 @0
			send 0 0 @1
			send 0 0 @1
			ack 0 0 @1.1
			ack 0 1 @1.1
			leave 0 0 @1
			see 0 0 0/0 @1.2
			gone 0 0 @1.3`, nil},
		{"something came after the answer to the leaving", `
			join 0 0 @0
			send 0 0 @1
			ack 0 0 @1.1
			gone 0 0 @1.2
			see 0 0 0/0 @1.3`, counts{checker.Late: 1}},
		{"that is no better in a window", `
			window kill @0 @2
			join 0 0 @0
			send 0 0 @1
			gone 0 0 @1.2
			see 0 0 0/0 @1.3`, counts{checker.Late: 1}},
		{"a member that came back is a new subscriber", `
			join 0 0 @0
			gone 0 0 @1
			send 0 0 @1
			ack 0 0 @1
			joining 1 0
			join 1 0 @2
			send 0 0 @2
			ack 0 1 @2
			see 1 0 0/1 @2`, nil},
		{"it came back and missed something", `
			gone 0 0 @1
			join 1 0 @2
			send 0 0 @2
			ack 0 0 @2`, counts{checker.Lost: 1}},
		{"asked and not yet answered: it may get all, and must get none", `
			joining 0 0
			joining 1 0
			send 0 0 @1
			ack 0 0 @1
			see 1 0 0/0 @1`, nil},
		{"did not ask", `
			send 0 0 @1
			ack 0 0 @1
			see 1 0 0/0 @1`, counts{checker.Uninvited: 1}},
		{"acked and lost where nobody died", `
			calm redis @0 @3
			join 0 0 @0
			send 0 0 @1
			ack 0 0 @1`, counts{checker.Lost: 1}},
		{"refused and unanswered where nobody died", `
			calm redis @0 @3
			join 0 0 @0
			join 1 0 @0
			send 0 0 @1
			refuse 0 0 @1
			send 0 0 @1
			see 0 0 0/0 @1`, nil},
		{"two windows at once, of which one excuses", `
			calm join @0 @3
			window kill @1 @2
			join 0 0 @0
			send 0 0 @1
			ack 0 0 @1`, nil},
		{"a sender came back as another", `
			join 0 0 @0
			send 0 0 @1
			send 0 0 @1
			ack 0 0 @1
			ack 0 1 @1
			stop 0 @1
			send 1 0 @2
			ack 1 0 @2
			see 0 0 0/0 1/0 0/1 @3`, nil},
	})
}

func TestWhoLeavesRightAfterTheAckNeedNotHaveIt(t *testing.T) {
	for lag, want := range map[time.Duration]int{0: 1, 200 * time.Millisecond: 0} {
		c := script(t, checker.Config{Topics: 1, Publishers: 1, Subscribers: 1, Lag: lag}, `
			join 0 0 @0
			send 0 0 @1
			ack 0 0 @1
			leave 0 0 @1.1`)
		v := c.Check(2 * sec)
		if v.Counts[checker.Lost] != want {
			t.Errorf("lag %v: %v", lag, v.Violations)
		}
		if want == 1 && !strings.Contains(v.Violations[0].Text, "there from 0s to 1.1s") {
			t.Errorf("%q does not say how long it was there", v.Violations[0].Text)
		}
	}
}
