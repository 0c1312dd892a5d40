//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

func printFlood(w io.Writer, r *floodReport) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "\n%d talkers on one gateway, %d messages a second to %d subscribers each\tdeliveries\tp50 ms\tp99 ms\tmax ms\tCPU, %% of a core\n",
		r.Talkers, r.Rate, listeners)
	for _, f := range r.Floods {
		fmt.Fprintf(w, "before\t%s\t%.0f\n", f.Before.Latency.columns(), f.Before.CPU)
		fmt.Fprintf(w, "one floods: %s\t%s\t%.0f\n", f.Name, f.During.Latency.columns(), f.During.CPU)
		fmt.Fprintf(w, "  %d frames, %.0f a second, %d refused, %d answers; closed: %s; %d handshakes refused; the flooder's CPU: %.0f %%\n",
			f.Flood.Frames, float64(f.Flood.Frames)/f.During.took.Seconds(), f.Refused, f.Flood.Answers, closeCounts(f.Flood.Closes), f.Flood.Shut, f.Flood.CPU)
		fmt.Fprintf(w, "  the gateway's CPU for a frame: %.2f µs\n", f.PerFrame)
	}
}

func closeCounts(m map[string]int) string {
	if len(m) == 0 {
		return "never"
	}
	var list []string
	for _, code := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%s %d times", code, m[code]))
	}
	return strings.Join(list, ", ")
}
