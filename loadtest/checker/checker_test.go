package checker_test

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker"
)

const sec = time.Second

// script plays a run, one event a line:
//
//	join S T @t    leave S T @t
//	send P T @t    ack P N @t    refuse P N @t
//	see S T P/N @t        (several P/N may follow T)
//	window NAME @from @to
//	alter S T
//
// and for rooms and direct messages:
//
//	joining S T    gone S T @t    stop P @t
//	queue P N @t   late S T P/N @t   name P N ID
//	calm NAME @from @to   (a window that Disturbed declares)
//
// Times are seconds.
func script(t *testing.T, cfg checker.Config, text string) *checker.Checker {
	t.Helper()
	c := checker.New(cfg)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		num := func(i int) int {
			n, err := strconv.Atoi(f[i])
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			return n
		}
		at := func(i int) time.Duration {
			s, err := strconv.ParseFloat(strings.TrimPrefix(f[i], "@"), 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			return time.Duration(s * float64(sec))
		}
		switch f[0] {
		case "join":
			c.Joined(num(1), num(2), at(3))
		case "leave":
			c.Left(num(1), num(2), at(3))
		case "send":
			c.Sending(num(1), num(2), at(3))
		case "ack":
			c.Acked(num(1), num(2), at(3))
		case "refuse":
			c.Refused(num(1), num(2), at(3))
		case "joining":
			c.Joining(num(1), num(2))
		case "gone":
			c.Gone(num(1), num(2), at(3))
		case "stop":
			c.Stopped(num(1), at(2))
		case "queue":
			c.Queued(num(1), num(2), at(3))
		case "name":
			c.Named(num(1), num(2), f[3])
		case "calm":
			c.Disturbed(f[1], at(2), at(3))
		case "see", "late":
			tell := c.Delivered
			if f[0] == "late" {
				tell = c.DeliveredLate
			}
			for _, m := range f[3 : len(f)-1] {
				var p, n int
				if _, err := fmt.Sscanf(m, "%d/%d", &p, &n); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				tell(num(1), num(2), p, n, at(len(f)-1))
			}
		case "window":
			c.Unsettled(f[1], at(2), at(3))
		case "alter":
			c.Altered(num(1), num(2), "{}")
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return c
}

// Three subscribers of topic 0; publishers 0 and 1 sent two messages each, all
// acked at 2.
const start = `
	join 0 0 @0
	join 1 0 @0
	join 2 0 @0
	send 0 0 @1
	send 0 0 @1
	send 1 0 @1
	send 1 0 @1
	ack 0 0 @2
	ack 0 1 @2
	ack 1 0 @2
	ack 1 1 @2
`

type counts = map[checker.Kind]int

type promise struct {
	name, script string
	want         counts
}

func hold(t *testing.T, cfg checker.Config, tests []promise) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := script(t, cfg, tt.script)
			v := c.Check(10 * sec)
			if len(v.Counts) != len(tt.want) || len(tt.want) > 0 && !reflect.DeepEqual(v.Counts, tt.want) {
				t.Errorf("counts %v, want %v\n%v", v.Counts, tt.want, v.Violations)
			}
			if v.OK() != (len(tt.want) == 0) {
				t.Errorf("OK is %v", v.OK())
			}
		})
	}
}

func TestPromises(t *testing.T) {
	hold(t, checker.Config{Topics: 2, Publishers: 2, Subscribers: 3}, []promise{
		{"all the same", start + `
			see 0 0 0/0 1/0 0/1 1/1 @2
			see 1 0 0/0 1/0 0/1 1/1 @2
			see 2 0 0/0 1/0 0/1 1/1 @2`, nil},
		{"one lost at one", start + `
			see 0 0 0/0 1/0 0/1 1/1 @2
			see 1 0 0/0 1/0     1/1 @2
			see 2 0 0/0 1/0 0/1 1/1 @2`, counts{checker.Lost: 1}},
		{"one lost at all", start + `
			see 0 0 0/0 1/0 1/1 @2
			see 1 0 0/0 1/0 1/1 @2
			see 2 0 0/0 1/0 1/1 @2`, counts{checker.Lost: 3}},
		{"a subscriber saw nothing", start + `
			see 0 0 0/0 1/0 0/1 1/1 @2
			see 2 0 0/0 1/0 0/1 1/1 @2`, counts{checker.Lost: 4}},
		{"doubled", start + `
			see 0 0 0/0 1/0 0/1 1/1 1/1 @2
			see 1 0 0/0 1/0 0/1 1/1 @2
			see 2 0 0/0 1/0 0/0 0/1 1/1 @2`, counts{checker.Doubled: 2}},
		{"two publishers swapped at one", start + `
			see 0 0 0/0 1/0 0/1 1/1 @2
			see 1 0 1/0 0/0 0/1 1/1 @2
			see 2 0 0/0 1/0 0/1 1/1 @2`, counts{checker.Order: 1}},
		{"one publisher reordered at all alike", start + `
			see 0 0 0/1 0/0 1/0 1/1 @2
			see 1 0 0/1 0/0 1/0 1/1 @2
			see 2 0 0/1 0/0 1/0 1/1 @2`, counts{checker.PublisherOrder: 3}},
		{"one publisher reordered at one", start + `
			see 0 0 0/0 0/1 1/0 1/1 @2
			see 1 0 0/1 0/0 1/0 1/1 @2
			see 2 0 0/0 0/1 1/0 1/1 @2`, counts{checker.PublisherOrder: 1, checker.Order: 1}},
		{"a circle of three in a window, no pair opposite", `
			window kill @0 @3` + start + `
			see 0 0 0/0 1/0 @2
			see 1 0 1/0 0/1 @2
			see 2 0 0/1 0/0 @2`, counts{checker.Order: 1, checker.PublisherOrder: 1}},
		{"never sent", start + `
			see 0 0 0/0 1/0 0/1 1/1 1/2 @2
			see 1 0 0/0 1/0 0/1 1/1 7/0 @2
			see 2 0 0/0 1/0 0/1 1/1 @2`, counts{checker.Unknown: 2}},
		{"sent to another topic", start + `
			see 0 0 0/0 1/0 0/1 1/1 @2
			see 1 0 0/0 1/0 0/1 1/1 @2
			see 2 0 0/0 1/0 0/1 1/1 @2
			see 2 1 0/0 @2`, counts{checker.Unknown: 1}},
		{"altered", start + `
			alter 0 0
			see 0 0 0/0 1/0 0/1 1/1 @2
			see 1 0 0/0 1/0 0/1 1/1 @2
			see 2 0 0/0 1/0 0/1 1/1 @2`, counts{checker.Unknown: 1}},
		{"uninvited", `
			send 0 0 @1
			ack 0 0 @1
			see 0 0 0/0 @1`, counts{checker.Uninvited: 1}},
		{"answered twice", `
			send 0 0 @1
			ack 0 0 @1
			refuse 0 0 @1`, counts{checker.Stray: 1}},
		{"answer to nothing", `
			ack 0 0 @1`, counts{checker.Stray: 1}},
		{"unanswered", `
			send 0 0 @1`, counts{checker.Unanswered: 1}},
		{"unanswered in a window", `
			window kill @0 @1
			send 0 0 @1`, nil},
		{"refused and seen by none", `
			join 0 0 @0
			send 0 0 @1
			refuse 0 0 @1`, nil},
		{"refused and seen by all", `
			join 0 0 @0
			send 0 0 @1
			refuse 0 0 @1
			see 0 0 0/0 @1`, nil},
		{"refused and seen by some", `
			join 0 0 @0
			join 1 0 @0
			send 0 0 @1
			refuse 0 0 @1
			see 0 0 0/0 @1`, counts{checker.Lost: 1}},
		{"refused in a window and seen by some", `
			window kill @0 @2
			join 0 0 @0
			join 1 0 @0
			send 0 0 @1
			refuse 0 0 @1
			see 0 0 0/0 @1`, nil},
		{"acked in a window and lost", `
			window kill @1 @3` + start, nil},
		{"sent in a window, acked after it, lost", `
			window kill @0 @1` + start + `
			see 0 0 0/0 0/1 @2`, counts{checker.Lost: 10}},
		{"doubled in a window", `
			window kill @1 @3` + start + `
			see 0 0 0/0 0/0 @2`, counts{checker.Doubled: 1}},
		{"contradiction in a window", `
			window kill @1 @3` + start + `
			see 0 0 0/0 1/1 @2
			see 1 0 1/1 0/0 @2`, counts{checker.Order: 1}},
		{"gaps in a window without contradiction", `
			window kill @1 @3` + start + `
			see 0 0 0/0     0/1     @2
			see 1 0     1/0     1/1 @2
			see 2 0     1/0 0/1     @2`, nil},
		{"joined after sending, left before the ack", `
			join 0 0 @2
			join 1 0 @0
			leave 1 0 @2
			join 2 0 @0
			send 0 0 @1
			ack 0 0 @3
			see 2 0 0/0 @3`, nil},
		{"joined before sending", `
			join 0 0 @0.5
			send 0 0 @1
			ack 0 0 @3`, counts{checker.Lost: 1}},
	})
}

func TestCircleOfThreeIsNamed(t *testing.T) {
	c := script(t, checker.Config{Topics: 1, Publishers: 3, Subscribers: 3}, `
		window kill @0 @3
		join 0 0 @0
		join 1 0 @0
		join 2 0 @0
		send 0 0 @1
		send 1 0 @1
		send 2 0 @1
		ack 0 0 @2
		ack 1 0 @2
		ack 2 0 @2
		see 0 0 0/0 1/0 @2
		see 1 0 1/0 2/0 @2
		see 2 0 2/0 0/0 @2`)
	v := c.Check(3 * sec)
	if len(v.Violations) != 1 || v.Counts[checker.Order] != 1 {
		t.Fatalf("violations %v", v.Violations)
	}
	for _, part := range []string{"0 saw 0/0 before 1/0", "1 saw 1/0 before 2/0", "2 saw 2/0 before 0/0"} {
		if !strings.Contains(v.Violations[0].Text, part) {
			t.Errorf("%q does not say %q", v.Violations[0].Text, part)
		}
	}
}

func TestWindowsCountWhatTheyExcuse(t *testing.T) {
	c := script(t, checker.Config{Topics: 1, Publishers: 1, Subscribers: 2}, `
		window kill @2 @6
		join 0 0 @0
		join 1 0 @0
		send 0 0 @1
		ack 0 0 @1
		send 0 0 @2
		ack 0 1 @2
		send 0 0 @3
		refuse 0 2 @3
		send 0 0 @4
		send 0 0 @5.5
		ack 0 4 @5.5
		send 0 0 @7
		refuse 0 5 @7
		see 0 0 0/0 @1
		see 1 0 0/0 @1
		see 0 0 0/1 @2
		see 0 0 0/4 @5.5
		see 1 0 0/4 @5.6`)
	v := c.Check(8 * sec)
	if !v.OK() {
		t.Errorf("violations %v", v.Violations)
	}
	want := checker.Window{
		Name: "kill", From: 2 * sec, To: 6 * sec, Refused: 1, Unanswered: 1, Lost: 1,
		Acks:       checker.Gap{From: 2 * sec, To: 5500 * time.Millisecond},
		Deliveries: checker.Gap{From: 1 * sec, To: 5600 * time.Millisecond},
	}
	if v.Windows[0] != want {
		t.Errorf("window %+v\nwant   %+v", v.Windows[0], want)
	}
	if v.RefusedSettled != 1 || v.Refused != 2 || v.Unanswered != 1 || v.Acked != 3 || v.Messages != 6 || v.Deliveries != 5 {
		t.Errorf("verdict %+v", v)
	}
	p := v.Pauses[0]
	if p.Acks.Length() != 3500*time.Millisecond || p.Deliveries.Length() != 4600*time.Millisecond {
		t.Errorf("pause %+v", p)
	}
}

// A topic that falls silent and stays so is a pause up to the end, and one
// publisher's silence is not hidden by another's success.
func TestPauseRunsToTheEndAndPerPublisher(t *testing.T) {
	c := script(t, checker.Config{Topics: 1, Publishers: 2, Subscribers: 1}, `
		send 0 0 @0
		ack 0 0 @0
		send 1 0 @0
		ack 1 0 @0
		send 1 0 @4
		ack 1 1 @4
		send 1 0 @8
		ack 1 2 @8`)
	if g := c.Check(10 * sec).Pauses[0].Acks; g != (checker.Gap{From: 0, To: 10 * sec}) {
		t.Errorf("gap %+v", g)
	}
}

func TestOverflowIsSaid(t *testing.T) {
	c := checker.New(checker.Config{Topics: 1, Publishers: 1, Subscribers: 1, MaxEvents: 3})
	c.Joined(0, 0, 0)
	for range 3 {
		n := c.Sending(0, 0, 0)
		c.Acked(0, n, 0)
		c.Delivered(0, 0, 0, n, 0)
	}
	v := c.Check(sec)
	if v.Counts[checker.Overflow] != 1 || v.OK() {
		t.Errorf("counts %v", v.Counts)
	}
}

func TestTextsAreBoundedAndCountsAreNot(t *testing.T) {
	c := checker.New(checker.Config{Topics: 1, Publishers: 1, Subscribers: 1})
	for range 1000 {
		c.Altered(0, 0, "x")
	}
	v := c.Check(sec)
	if v.Counts[checker.Unknown] != 1000 || len(v.Violations) > 20 {
		t.Errorf("%d counted, %d kept", v.Counts[checker.Unknown], len(v.Violations))
	}
}
