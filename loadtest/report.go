package loadtest

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker"
)

// Report is the outcome of a run. Times count from the beginning of the run,
// just before the first client connected.
type Report struct {
	Load    Load
	Verdict *checker.Verdict
	End     time.Duration // when the publishers stopped

	P50, P99, Max time.Duration // from before the send to the delivery
	Refusals      map[int]int   // by code
	Skipped       int           // turns that publishers skipped with too much unanswered
	Disconnects   []string      // connections that ended without being asked to
	Others        []string      // messages that nobody asked for; the first few
	Troubles      []string      // requests of people that were not granted at settled moments
	Excused       int           // lost connections and such requests in the windows of faults
	Tally         Tally         // what people got
}

// Problems says in one line each what a healthy system would not have shown:
// broken promises, messages and requests refused at settled moments, lost
// connections, messages that nobody asked for.
func (r *Report) Problems() []string {
	var out []string
	for k, n := range r.Verdict.Counts {
		out = append(out, fmt.Sprintf("%d × %s", n, k))
	}
	slices.Sort(out)
	for _, v := range r.Verdict.Violations {
		out = append(out, v.String())
	}
	if n := r.Verdict.RefusedSettled; n > 0 {
		out = append(out, fmt.Sprintf("%d messages refused outside every window (codes, windows included: %v)", n, r.Refusals))
	}
	for _, d := range r.Disconnects {
		out = append(out, "lost connection: "+d)
	}
	for _, t := range r.Troubles {
		out = append(out, "trouble: "+t)
	}
	if n := r.Verdict.Kept; n > 0 {
		out = append(out, fmt.Sprintf("%d queued messages are for users who did not stay", n))
	}
	for _, o := range r.Others {
		out = append(out, "unasked: "+o)
	}
	return out
}

// String is the report for people.
func (r *Report) String() string {
	var b strings.Builder
	l, v := &r.Load, r.Verdict
	fmt.Fprintf(&b, "load: %v, %d gateways, %d topics, %d publishers × %g msg/s, %d subscribers\n",
		round(r.End), len(l.Gateways), l.Topics, l.publishers(), l.Rate, l.subscribers())
	fmt.Fprintf(&b, "messages: %d sent, %d acked, %d refused %v, %d unanswered, %d turns skipped\n",
		v.Messages, v.Acked, v.Refused, r.Refusals, v.Unanswered, r.Skipped)
	fmt.Fprintf(&b, "deliveries: %d, latency p50 %v, p99 %v, max %v\n",
		v.Deliveries, round(r.P50), round(r.P99), round(r.Max))
	if p := l.People; p.count() > 0 {
		fmt.Fprintf(&b, "people: %d residents × %g+%g msg/s, %d twins, %d visitors, %d wanderers, %d rooms; %d connections came again, %d incidents excused\n",
			p.Residents, p.RoomRate, p.DirectRate, p.Twins, p.Visitors, p.Wanderers, p.Rooms, r.Tally.Returned, r.Excused)
		fmt.Fprintf(&b, "room messages: %d acked, %d delivered; direct messages: %d delivered, %d queued, %d came late, %d of them again, %d unseen; refused %v, to absent users %v\n",
			sum(r.Tally.Rooms), sum(r.Tally.Heard), r.Tally.Delivered, v.Queued, r.Tally.Late, v.Repeated, r.Tally.Unseen, r.Tally.RefusedHere, r.Tally.RefusedAway)
	}
	acks, deliveries := longest(v.Pauses[:l.Topics+l.People.Rooms])
	fmt.Fprintf(&b, "longest pause of a topic or room: acks %s, deliveries %s\n", show(acks), show(deliveries))
	if len(v.Windows) > 0 {
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "fault\tunsettled\tpause of acks\tpause of deliveries\trefused\tunanswered\tacked, lost")
		for _, x := range v.Windows {
			fmt.Fprintf(w, "%s\t%v–%v\t%s\t%s\t%d\t%d\t%d\n",
				x.Name, round(x.From), round(x.To), show(x.Acks), show(x.Deliveries), x.Refused, x.Unanswered, x.Lost)
		}
		_ = w.Flush()
	}
	problems := r.Problems()
	if len(problems) == 0 {
		b.WriteString("every promise kept\n")
	}
	for _, p := range problems {
		fmt.Fprintf(&b, "PROBLEM %s\n", p)
	}
	return b.String()
}

func longest(pauses []checker.Pause) (acks, deliveries checker.Gap) {
	for _, p := range pauses {
		if p.Acks.Length() > acks.Length() {
			acks = p.Acks
		}
		if p.Deliveries.Length() > deliveries.Length() {
			deliveries = p.Deliveries
		}
	}
	return acks, deliveries
}

func sum(ns []int) (n int) {
	for _, x := range ns {
		n += x
	}
	return n
}

func show(g checker.Gap) string {
	return fmt.Sprintf("%v at %v", round(g.Length()), round(g.From))
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
