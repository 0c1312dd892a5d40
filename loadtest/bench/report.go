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

	Deliveries []*scenario     `json:"deliveries,omitempty"`
	Hot        []hotReport     `json:"hot,omitempty"`
	Idle       []idleReport    `json:"idle,omitempty"`
	Presence   *presenceReport `json:"presence,omitempty"`
	Ghosts     *ghostsReport   `json:"ghosts,omitempty"`
	Direct     []directReport  `json:"direct,omitempty"`
	Room       *roomReport     `json:"room,omitempty"`
	History    []historyReport `json:"history,omitempty"`
	Recovery   *recoveryReport `json:"recovery,omitempty"`
	Session    *sessionReport  `json:"session,omitempty"`
	Flood      *floodReport    `json:"flood,omitempty"`
}

// scenario is what deliveries cost in CPU microseconds.
type scenario struct {
	System     string  `json:"system"`
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

// idleReport is what connections cost that do nothing.
type idleReport struct {
	Name    string `json:"name"`
	Topics  string `json:"topics"`
	Sockets int    `json:"sockets"`
	// Growth from a fifth of the connections to all of them, by connection, of all servers together and by role.
	Bytes      float64                  `json:"bytes_per_connection"`
	BytesRoles map[cluster.Role]float64 `json:"bytes_per_connection_by_role"`
	// The same from no connections on: what the first ones bring once is in it.
	BytesFromNone float64          `json:"bytes_per_connection_from_none"`
	Resident      map[string]int64 `json:"resident"` // of all servers with no connections, and with all
	// CPU time of a connection with its handshake, welcome and first Subscribe.
	Connect      figures                  `json:"us_per_connect"`
	ConnectRoles map[cluster.Role]float64 `json:"us_per_connect_by_role"` // of the last fifth

	before, fifth, all map[cluster.Role]int64
	connects           []float64
	roles              []map[cluster.Role]float64
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
	r.BytesRoles = make(map[cluster.Role]float64)
	further := r.Sockets - r.Sockets/idleSteps
	var before, all int64
	for role, bytes := range r.all {
		slope := float64(bytes-r.fifth[role]) / float64(further)
		r.BytesRoles[role] = slope
		r.Bytes += slope
		before += r.before[role]
		all += bytes
	}
	r.BytesFromNone = float64(all-before) / float64(r.Sockets)
	r.Resident = map[string]int64{"before": before, "after": all}
	r.Connect = sum(r.connects)
	r.ConnectRoles = r.roles[len(r.roles)-1]
}

func (f figures) String() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", f.Median, f.Min, f.Max) }
