//go:build linux

package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// report is all that was measured.
type report struct {
	Go      string      `json:"go"`
	Kernel  string      `json:"kernel"`
	CPUs    int         `json:"cpus"`
	Payload int         `json:"payload_bytes"`
	FanOut  scenario    `json:"fan_out"`
	Topics  scenario    `json:"topics"`
	Idle    *idleReport `json:"idle,omitempty"`
}

// scenario is what deliveries cost in CPU microseconds.
type scenario struct {
	Name       string  `json:"name"`
	Deliveries int     `json:"deliveries"`
	FrameBytes int     `json:"frame_bytes"`
	Server     figures `json:"server_us_per_delivery"`
	Bare       figures `json:"bare_us_per_send"`
	Ratio      float64 `json:"ratio"` // of the medians

	server, bare []float64 // by round
}

// figures sums rounds up.
type figures struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// idleReport is what connections cost in bytes.
type idleReport struct {
	Samples []memory `json:"samples"`
	// Growth from no connections to all of them, by connection.
	BytesPerConnection float64 `json:"bytes_per_connection"`
	// Growth from a fifth of the connections to all of them, by connection.
	SlopeBytes float64 `json:"slope_bytes_per_connection"`
	HeapBytes  float64 `json:"heap_bytes_per_connection"` // 0 when unknown
}

func newReport(set settings) *report {
	rep := &report{Go: runtime.Version(), CPUs: runtime.NumCPU(), Payload: set.payload}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		rep.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return rep
}

func micros(d time.Duration, n int) float64 {
	return float64(d) / float64(time.Microsecond) / float64(n)
}

func (s *scenario) finish() {
	s.Server, s.Bare = sum(s.server), sum(s.bare)
	s.Ratio = s.Server.Median / s.Bare.Median
}

func sum(v []float64) figures {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return figures{Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}

func (r *idleReport) finish() {
	first, fifth, last := r.Samples[0], r.Samples[1], r.Samples[2]
	r.BytesPerConnection = float64(last.RSS-first.RSS) / float64(last.Sockets-first.Sockets)
	r.SlopeBytes = float64(last.RSS-fifth.RSS) / float64(last.Sockets-fifth.Sockets)
	r.HeapBytes = float64(last.Heap-first.Heap) / float64(last.Sockets-first.Sockets)
}

func (f figures) String() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", f.Median, f.Min, f.Max) }

func (rep *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s, Linux %s, %d CPUs, payload of %d bytes. CPU of the whole cluster in one process.\n\n",
		rep.Go, rep.Kernel, rep.CPUs, rep.Payload)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "scenario\tdeliveries\tframe\tCPU µs/delivery: median (min–max)\tbare write() µs\tratio")
	for _, s := range []scenario{rep.FanOut, rep.Topics} {
		fmt.Fprintf(w, "%s\t%d\t%d B\t%s\t%s\t%.2f\n", s.Name, s.Deliveries, s.FrameBytes, s.Server, s.Bare, s.Ratio)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if rep.Idle == nil {
		return nil
	}
	fmt.Fprintln(out)
	fmt.Fprintln(w, "idle, subscribed to one topic\tresident\tGo heap\tGo stacks")
	for _, m := range rep.Idle.Samples {
		fmt.Fprintf(w, "%d sockets\t%s\t%s\t%s\n", m.Sockets, mega(m.RSS), mega(m.Heap), mega(m.Stack))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	heap := "unknown"
	if rep.Idle.HeapBytes > 0 {
		heap = fmt.Sprintf("%.0f", rep.Idle.HeapBytes)
	}
	_, err := fmt.Fprintf(out, "bytes per connection: %.0f resident (slope over the last four fifths: %.0f), Go heap %s\n",
		rep.Idle.BytesPerConnection, rep.Idle.SlopeBytes, heap)
	return err
}

func mega(n int64) string {
	if n == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
