//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// print shows one second of the run.
func (m *moment) print(w io.Writer) {
	cpu, rss := 0.0, int64(0)
	for i := range m.CPU {
		cpu += m.CPU[i]
		rss += m.RSS[i]
	}
	fmt.Fprintf(w, "%5.0fs %-7s %7d conns %6.0f conn/s %6.0f sent/s %8.0f dlv/s  p50 %.2f p99 %.2f ms  errors %d  server %.0f%% %d MB  client %.0f%%\n",
		m.At, m.Phase, m.Connections, m.Connects, m.Sent, m.Delivered, m.P50, m.P99, m.Errors, cpu, rss>>20, m.ClientCPU)
}

// print writes the summary.
func (r *report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("scenario", "%s, %d of %d connections to %d addresses, %d workers%s", r.Scenario, r.Connections, r.Asked, len(r.Targets), r.Processes,
		map[bool]string{true: "; interrupted"}[r.Interrupted])
	c := r.Connect
	row("connect", "%.1f s, %.0f a second; welcome p50 %.2f p99 %.2f ms; subscribed p50 %.2f p99 %.2f ms", c.Seconds, c.PerSecond,
		c.Welcome.P50, c.Welcome.P99, c.Greeted.P50, c.Greeted.P99)
	if len(c.Steps) > 1 {
		for _, s := range c.Steps {
			row("", "%d: %.0f a second, p99 %.2f ms, server %.0f µs each, %.1f MB", s.Connections, s.PerSecond, s.Welcome.P99, s.CPU, float64(s.RSS)/(1<<20))
		}
	}
	row("messages", "%d sent in %.1f s, %d acked, %d unanswered, %d not sent", r.Sent, r.Seconds, r.Acked, r.Unanswered, r.Unsent)
	row("deliveries", "%d of %d; %d lost, %d repeated, %d disordered, %d misdelivered, %d excused, %d again behind a resume", r.Delivered, r.Expected,
		r.Lost, r.Doubled, r.Disordered, r.Misdelivered, r.Excused, r.Again)
	for _, e := range r.Examples {
		row("", "%s", e)
	}
	latencyRow := func(name string, l latency) {
		if l.N > 0 {
			row(name, "p50 %.2f, p95 %.2f, p99 %.2f, p99.9 %.2f, max %.2f ms", l.P50, l.P95, l.P99, l.P999, l.Max)
		}
	}
	latencyRow("latency", r.Delivery)
	for _, kind := range slices.Sorted(maps.Keys(r.ByKind)) {
		latencyRow("  "+kind, r.ByKind[kind])
	}
	latencyRow("ack", r.Ack)
	latencyRow("sent late by", r.Late)
	for _, m := range []struct {
		name   string
		counts map[string]int
	}{{"errors", r.ErrorCodes}, {"closed", r.Closed}, {"refused", r.Refused}} {
		if len(m.counts) > 0 {
			row(m.name, "%s", list(m.counts))
		}
	}
	if r.Unresumed > 0 {
		row("unresumed", "%d came back without their session", r.Unresumed)
	}
	if s := r.Server; s != nil {
		row("server CPU", "%.0f µs a connection, %.2f µs a delivery%s, %.0f %% of a core while messages were sent", c.CPU, s.CPU, perRole(s.CPUByRole, "%.2f"), s.CPUPercent)
		row("server memory", "%.0f bytes a connection%s, %.1f MB in all", s.Bytes, perRole(s.BytesByRole, "%.0f"), float64(s.RSS)/(1<<20))
	}
	row("clients", "%.0f %% of a core, %.0f bytes a socket", r.Clients.CPUPercent, r.Clients.Bytes)
	if d := r.Drain; d != nil {
		row("drain", "%s held %d: %d told when to come back (within %d ms), %d closed 1012, %d otherwise", d.Gateway, d.Held, d.Told, d.MostMS, d.Restarts, d.Otherwise)
		row("", "%d back after %.1f s, %d with their session; away p50 %.0f p99 %.0f ms; server %.0f µs each; it ended with %d after %.1f s",
			d.Back, d.Seconds, d.Resumed, d.Away.P50, d.Away.P99, d.CPU, d.Exit, d.Ended)
	}
	for _, f := range r.Failures {
		row("FAILED", "%s", f)
	}
	return w.Flush()
}

func list(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s: %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}

func perRole(m map[string]float64, format string) string {
	if len(m) < 2 {
		return ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, name+" "+fmt.Sprintf(format, m[name]))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
