//go:build linux

package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// report is all that was measured.
type report struct {
	Go      string `json:"go"`
	Kernel  string `json:"kernel"`
	CPUs    int    `json:"cpus"`
	Payload int    `json:"payload_bytes"`

	FanOut   *scenario       `json:"fan_out,omitempty"`
	Topics   *scenario       `json:"topics,omitempty"`
	Hot      []hotReport     `json:"hot,omitempty"`
	Idle     []idleReport    `json:"idle,omitempty"`
	Presence *presenceReport `json:"presence,omitempty"`
	Ghosts   *ghostsReport   `json:"ghosts,omitempty"`
	Direct   []directReport  `json:"direct,omitempty"`
	Room     *roomReport     `json:"room,omitempty"`
	History  []historyReport `json:"history,omitempty"`
	Recovery *recoveryReport `json:"recovery,omitempty"`
	Session  *sessionReport  `json:"session,omitempty"`
	Flood    *floodReport    `json:"flood,omitempty"`
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

// idleReport is what connections cost in bytes, in one process.
type idleReport struct {
	Role    cluster.Role `json:"role"`
	Samples []memory     `json:"samples"`
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
