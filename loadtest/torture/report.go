package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
)

// report is what a run shows.
type report struct {
	set     *settings
	writing time.Duration
	verdict *history.Verdict
	figures []figure // what clients met
	chaos   []figure // what was done
	refused map[int]int

	p50, p99, max time.Duration // from the first sending of a message to its Ack
	silence       gap
}

// figure is a count of something.
type figure struct {
	what string
	n    int
}

func newReport(t *run, writing time.Duration) *report {
	r := t.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := &report{
		set: t.set, writing: writing, verdict: r.checker.Check(), refused: maps.Clone(r.refused),
		p50: r.latency.Quantile(0.5), p99: r.latency.Quantile(0.99), max: r.latency.Max, silence: r.silence,
	}
	for _, what := range slices.Sorted(maps.Keys(r.counts)) {
		rep.figures = append(rep.figures, figure{what, r.counts[what]})
	}
	if t.chaos != nil {
		rep.chaos = t.chaos.report()
	}
	return rep
}

// ok says that no promise was broken.
func (r *report) ok() bool { return r.verdict.OK() }

// print writes the report in Markdown.
func (r *report) print(out io.Writer) error {
	var b strings.Builder
	s, v := r.set, r.verdict
	fmt.Fprintf(&b, "seed %d: %d topics and %d rooms, %d writers, %d readers; %d gateways, %d routers, %d presence nodes\n\n",
		s.seed, s.topics, s.rooms, s.writers, s.readers, s.gateways, s.routers, s.presences)
	table := func(title string, figures []figure) {
		if len(figures) == 0 {
			return
		}
		fmt.Fprintf(&b, "| %s | |\n|---|---:|\n", title)
		for _, f := range figures {
			fmt.Fprintf(&b, "| %s | %d |\n", f.what, f.n)
		}
		b.WriteByte('\n')
	}
	lost := v.Found[history.Lost] + v.Found[history.Forgotten]
	repeated := v.Found[history.Repeated] + v.Found[history.Doubled] + v.Found[history.FalseDuplicate]
	order := v.Found[history.Order] + v.Found[history.WriterOrder]
	gaps := v.Found[history.Gap] + v.Found[history.Needless]
	other := -lost - repeated - order - gaps
	for _, n := range v.Found {
		other += n
	}
	table("verdict", []figure{
		{"acked messages", v.Acked}, {"lost", lost}, {"repeated", repeated}, {"out of order", order},
		{"gaps, not flagged or needless", gaps}, {"other violations", other},
	})
	table("messages", append([]figure{
		{"sent", v.Messages}, {"sent again", v.Resent}, {"acked as duplicates", v.Duplicates}, {"deliveries", v.Deliveries},
		{"of these, dropped by readers that had them, on a resumed session", v.Dropped},
		{"read from History at the end", v.Kept},
		{"gaps that readers were told of", v.Flagged}, {"messages in them", v.Missed},
		{"messages that readers by pattern did not get", v.Skipped},
	}, r.errors()...))
	table("clients", r.figures)
	table("done to the system", r.chaos)
	fmt.Fprintf(&b, "From the first sending of a message to its Ack: p50 %s, p99 %s, at most %s. %.0f Acks a second over %.0f s.\n"+
		"The longest time without any Ack: %s, from second %.1f.\n",
		short(r.p50), short(r.p99), short(r.max), float64(v.Acked)/r.writing.Seconds(), r.writing.Seconds(),
		short(r.silence.length()), r.silence.from.Seconds())
	if !v.OK() {
		b.WriteString("\nVIOLATIONS:\n")
		for _, k := range slices.Sorted(maps.Keys(v.Found)) {
			fmt.Fprintf(&b, "- %s: %d\n", k, v.Found[k])
		}
		for _, x := range v.Violations {
			fmt.Fprintf(&b, "  - %s\n", x)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *report) errors() (list []figure) {
	for _, code := range slices.Sorted(maps.Keys(r.refused)) {
		list = append(list, figure{fmt.Sprintf("Error %d", code), r.refused[code]})
	}
	return list
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
