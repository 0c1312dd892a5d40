package checker_test

import (
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker"
)

// Mailbox 0 is topic 1 and mailbox 1 is topic 2. Subscribers 0 and 1 are
// connections of user 0.
func TestPromisesOfMailboxes(t *testing.T) {
	const two = `
		send 0 1 @1
		send 0 1 @1
	`
	hold(t, checker.Config{Topics: 1, Mailboxes: 2, Publishers: 2, Subscribers: 4}, []promise{
		{"to every connection", `
			join 0 1 @0
			join 1 1 @0` + two + `
			ack 0 0 @2
			ack 0 1 @2
			see 0 1 0/0 0/1 @2
			see 1 1 0/0 0/1 @2`, nil},
		{"one connection did not get it", `
			join 0 1 @0
			join 1 1 @0` + two + `
			ack 0 0 @2
			ack 0 1 @2
			see 0 1 0/0 0/1 @2
			see 1 1 0/1 @2`, counts{checker.Lost: 1}},
		{"it closed before the Ack", `
			join 0 1 @0
			join 1 1 @0` + two + `
			ack 0 0 @2
			ack 0 1 @2
			leave 1 1 @1.5
			see 0 1 0/0 0/1 @2`, nil},
		{"a live one lost in a kill", `
			window kill @0 @3
			join 0 1 @0` + two + `
			ack 0 0 @2
			ack 0 1 @2
			see 0 1 0/1 @2`, nil},
		{"a live one lost where nobody died", `
			calm redis @0 @3
			join 0 1 @0` + two + `
			ack 0 0 @2
			ack 0 1 @2
			see 0 1 0/1 @2`, counts{checker.Lost: 1}},
		{"out of order", `
			join 0 1 @0` + two + `
			ack 0 0 @2
			ack 0 1 @2
			see 0 1 0/1 0/0 @2`, counts{checker.PublisherOrder: 1}},
		{"two senders in different orders at two connections", `
			join 0 1 @0
			join 1 1 @0
			send 0 1 @1
			send 1 1 @1
			ack 0 0 @1
			ack 1 0 @1
			see 0 1 0/0 1/0 @2
			see 1 1 1/0 0/0 @2`, nil},
		{"twice", `
			join 0 1 @0` + two + `
			ack 0 0 @2
			ack 0 1 @2
			see 0 1 0/0 0/1 0/1 @2`, counts{checker.Doubled: 1}},
		{"of another user", `
			join 2 2 @0
			send 0 1 @1
			refuse 0 0 @1
			see 2 1 0/0 @1`, counts{checker.Uninvited: 1}},
		{"under another user's name", `
			join 2 2 @0
			send 0 1 @1
			refuse 0 0 @1
			see 2 2 0/0 @1`, counts{checker.Unknown: 1}},
		{"refused, and one connection got it", `
			join 0 1 @0
			join 1 1 @0
			send 0 1 @1
			refuse 0 0 @1
			see 0 1 0/0 @1`, nil},
		{"refused because the queue was away, and it came later", two + `
			refuse 0 0 @1
			refuse 0 1 @1
			join 0 1 @2
			late 0 1 0/1 @2`, nil},

		{"queued, and it came", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/0 0/1 @2`, nil},
		{"queued, and it came before the welcome was told", two + `
			queue 0 0 @1
			queue 0 1 @1
			joining 0 1
			late 0 1 0/0 0/1 @2
			join 0 1 @3`, nil},
		{"queued, and it never came", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/1 @2`, counts{checker.Lost: 1}},
		{"queued in a kill, and it never came", `
			window kill @0 @3` + two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/1 @2`, counts{checker.Lost: 1}},
		{"queued, and the user never came back to stay", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			leave 0 1 @2.1`, nil},
		{"queued, and another user came", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 2 2 @2`, nil},
		{"queued, and seen by the first of two connections", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/0 0/1 @2
			leave 0 1 @3
			join 1 1 @4`, nil},
		{"queued, and it came at both", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/0 0/1 @2
			leave 0 1 @3
			join 1 1 @4
			late 1 1 0/0 0/1 @4`, nil},
		{"queued, and all of it came twice at one", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/0 0/1 0/0 0/1 @2`, nil},
		{"queued, and it came again without the mark", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/0 0/1 @2
			see 0 1 0/0 @3`, counts{checker.Doubled: 1, checker.Unmarked: 1}},
		{"queued, and it came without the mark", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/0 @2
			see 0 1 0/1 @2`, counts{checker.Unmarked: 1}},
		{"queued ones out of order", two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/1 0/0 @2`, counts{checker.PublisherOrder: 1}},
		{"queued ones out of order in a window", `
			window kill @0 @3` + two + `
			queue 0 0 @1
			queue 0 1 @1
			join 0 1 @2
			late 0 1 0/1 0/0 @2`, counts{checker.PublisherOrder: 1}},
		{"one that waited came behind a later one", two + `
			queue 0 0 @1
			ack 0 1 @1.2
			join 0 1 @0.9
			see 0 1 0/1 @1.2
			late 0 1 0/0 @2`, counts{checker.PublisherOrder: 1}},
		{"it did while the queue was away", `
			calm redis @1.9 @3` + two + `
			queue 0 0 @1
			ack 0 1 @1.2
			join 0 1 @0.9
			see 0 1 0/1 @1.2
			late 0 1 0/0 @2`, nil},
		{"a live one came behind a later one that waited", two + `
			ack 0 0 @1
			queue 0 1 @1.2
			join 0 1 @0.9
			late 0 1 0/1 @1.2
			see 0 1 0/0 @2`, counts{checker.PublisherOrder: 1}},
		{"one name", `
			join 0 1 @0
			send 0 1 @1
			ack 0 0 @1
			name 0 0 x
			see 0 1 0/0 @1
			name 0 0 x`, nil},
		{"two names", `
			join 0 1 @0
			send 0 1 @1
			ack 0 0 @1
			name 0 0 x
			see 0 1 0/0 @1
			name 0 0 y`, counts{checker.Renamed: 1}},
		{"rooms still have one order", `
			join 0 0 @0
			join 1 0 @0
			send 0 0 @1
			send 1 0 @1
			ack 0 0 @1
			ack 1 0 @1
			see 0 0 0/0 1/0 @2
			see 1 0 1/0 0/0 @2`, counts{checker.Order: 1}},
	})
}

func TestWhatIsOutstanding(t *testing.T) {
	c := script(t, checker.Config{Mailboxes: 1, Publishers: 2, Subscribers: 1}, `
		send 0 0 @1
		send 0 0 @1
		send 0 0 @1
		send 1 0 @1
		send 1 0 @1
		queue 0 0 @2
		ack 0 1 @2
		queue 1 0 @2
		stop 1 @3
		late 0 0 0/0 @4`)
	if unanswered, waiting := c.Outstanding(); unanswered != 1 || waiting != 1 {
		t.Errorf("%d unanswered, %d waiting", unanswered, waiting)
	}
}

func TestMailboxesAreCounted(t *testing.T) {
	c := script(t, checker.Config{Mailboxes: 1, Publishers: 1}, `
		send 0 0 @1
		send 0 0 @2
		queue 0 0 @3
		queue 0 1 @5`)
	if c.Subscriber() != 0 || c.Subscriber() != 1 || c.Publisher() != 1 {
		t.Error("newcomers are not numbered on")
	}
	v := c.Check(10 * sec)
	if !v.OK() || v.Acked != 2 || v.Queued != 2 || v.Kept != 2 {
		t.Errorf("nobody came: %+v", v)
	}
	c.Joined(0, 0, 6*sec)
	for range 2 {
		c.DeliveredLate(0, 0, 0, 0, 6*sec)
		c.DeliveredLate(0, 0, 0, 1, 6*sec)
	}
	c.Stopped(0, 7*sec)
	v = c.Check(10 * sec)
	if !v.OK() || v.Kept != 0 || v.Repeated != 2 || v.Deliveries != 4 {
		t.Errorf("verdict %+v", v)
	}
	if p := v.Pauses[0]; p.Acks.Length() != 2*sec || p.Deliveries != (checker.Gap{From: 6 * sec, To: 10 * time.Second}) {
		t.Errorf("pause %+v", p)
	}
}
