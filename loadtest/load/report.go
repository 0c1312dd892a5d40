//go:build linux

package main

import (
	"fmt"
	"time"
)

// report is what a run found; -json writes it. Times end in _ms, _us or _seconds.
type report struct {
	Scenario    string    `json:"scenario"`
	Arguments   []string  `json:"arguments"`
	Begun       time.Time `json:"begun"`
	Interrupted bool      `json:"interrupted"`
	Machine     machine   `json:"machine"`
	Targets     []string  `json:"targets"`
	Processes   int       `json:"processes"` // workers
	Asked       int       `json:"asked"`     // -connections

	Connections int     `json:"connections"` // that were there when sending began
	Seconds     float64 `json:"seconds"`     // of sending
	Sent        int     `json:"sent"`        // messages
	Unsent      int     `json:"unsent"`      // due while their sender was away
	Acked       int     `json:"acked"`
	Unanswered  int     `json:"unanswered"`
	Delivered   int     `json:"delivered"`
	Expected    int     `json:"expected"` // deliveries; fewer where receivers were away
	wrongs              // lost, doubled, disordered, misdelivered, excused, unchecked, examples

	Errors     int            `json:"errors"` // Error messages, of all codes
	ErrorCodes map[string]int `json:"error_codes"`
	Closed     map[string]int `json:"closed"`    // connections that the servers ended, by code
	Unresumed  int            `json:"unresumed"` // connections that came back without their session
	Refused    map[string]int `json:"refused"`   // handshakes, by status

	// Of deliveries, from when the message was to be sent.
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`

	Delivery     latency            `json:"delivery"`
	ByKind       map[string]latency `json:"delivery_by_kind,omitempty"`
	Ack          latency            `json:"ack"`
	Late         latency            `json:"late"` // how late the workers were to send
	Distribution []quantile         `json:"distribution,omitempty"`

	Connect connectReport `json:"connect"`
	Server  *serverReport `json:"server,omitempty"`
	Clients clientReport  `json:"clients"`
	Drain   *drainReport  `json:"drain,omitempty"`

	Failures []string `json:"failures"` // thresholds that were exceeded
	Series   []moment `json:"series"`   // once a second
}

type machine struct {
	CPUs   int    `json:"cpus"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// connectReport is about the handshakes.
type connectReport struct {
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	Welcome   latency `json:"welcome"` // until the welcome
	Greeted   latency `json:"greeted"` // until the subscriptions were answered
	CPU       float64 `json:"server_us_per_connection"`
	Steps     []step  `json:"steps"`
}

// step is a part of the connections, and the servers' memory when they were there.
type step struct {
	Connections int                `json:"connections"`
	Seconds     float64            `json:"seconds"`
	PerSecond   float64            `json:"per_second"`
	Welcome     latency            `json:"welcome"`
	CPU         float64            `json:"server_us_per_connection"`
	CPUByRole   map[string]float64 `json:"server_us_per_connection_by_role,omitempty"`
	RSS         int64              `json:"server_rss_bytes"`
	RSSByRole   map[string]int64   `json:"server_rss_bytes_by_role,omitempty"`
}

// serverReport is about the processes of -pids or -start.
type serverReport struct {
	CPUPercent  float64            `json:"cpu_percent"` // of one core, while messages were sent
	CPU         float64            `json:"us_per_delivery"`
	CPUByRole   map[string]float64 `json:"us_per_delivery_by_role"`
	Bytes       float64            `json:"bytes_per_connection"` // the slope over the steps
	BytesByRole map[string]float64 `json:"bytes_per_connection_by_role"`
	RSS         int64              `json:"rss_bytes"` // at the end of sending
	Processes   []processReport    `json:"processes"`
}

type processReport struct {
	Name       string  `json:"name"`
	Role       string  `json:"role"`
	PID        int     `json:"pid"`
	CPUSeconds float64 `json:"cpu_seconds"` // from the first connection to the end of sending
	CPUPercent float64 `json:"cpu_percent"` // while messages were sent
	RSS        int64   `json:"rss_bytes"`
}

// clientReport is about the workers: where they use a whole core each, they are what is measured.
type clientReport struct {
	CPUPercent float64 `json:"cpu_percent"`
	RSS        int64   `json:"rss_bytes"`
	Bytes      float64 `json:"bytes_per_socket"` // of the workers' memory, besides the kernel's
}

// drainReport is about the end of one gateway.
type drainReport struct {
	Gateway   string  `json:"gateway"`
	Held      int     `json:"held"`
	Told      int     `json:"told"` // were told reconnect_after_ms
	MostMS    int     `json:"reconnect_after_ms_max"`
	Restarts  int     `json:"closed_1012"`
	Otherwise int     `json:"closed_otherwise"`
	Back      int     `json:"back"`
	Resumed   int     `json:"resumed"`
	Seconds   float64 `json:"seconds"`       // until the last was back
	Exit      int     `json:"exit_code"`     // of the gateway
	Ended     float64 `json:"ended_seconds"` // until its process ended
	Away      latency `json:"away"`          // from a connection's end to when it was there again
	CPU       float64 `json:"server_us_per_connection"`
}

// moment is one second of the run.
type moment struct {
	At          float64   `json:"t"` // seconds since the first connection
	Phase       string    `json:"phase"`
	Connections int       `json:"connections"`
	Connects    float64   `json:"connects_per_second"`
	Sent        float64   `json:"sent_per_second"`
	Delivered   float64   `json:"delivered_per_second"`
	Errors      int       `json:"errors"` // up to then
	P50         float64   `json:"p50_ms"`
	P95         float64   `json:"p95_ms"`
	P99         float64   `json:"p99_ms"`
	Max         float64   `json:"max_ms"`
	CPU         []float64 `json:"cpu_percent"` // by process, as in server.processes
	RSS         []int64   `json:"rss_bytes"`
	ClientCPU   float64   `json:"client_cpu_percent"`
}

// judge compares with the thresholds.
func (r *report) judge(s *settings) {
	r.Failures = []string{}
	fail := func(format string, args ...any) { r.Failures = append(r.Failures, fmt.Sprintf(format, args...)) }
	if n := r.broken(); s.maxLost >= 0 && n > s.maxLost {
		fail("%d messages lost, %d repeated, %d disordered, %d misdelivered: more than %d in all", r.Lost, r.Doubled, r.Disordered, r.Misdelivered, s.maxLost)
	}
	if s.maxErrors >= 0 && r.Errors > s.maxErrors {
		fail("%d Errors: more than %d", r.Errors, s.maxErrors)
	}
	if limit := float64(s.maxP99) / float64(time.Millisecond); limit > 0 && r.P99 > limit {
		fail("p99 %.2f ms: longer than %v", r.P99, s.maxP99)
	}
	if r.Connections < r.Asked && !r.Interrupted {
		fail("%d of %d connections", r.Connections, r.Asked)
	}
	if d := r.Drain; d != nil && (d.Back < d.Held || d.Exit != 0) && !r.Interrupted {
		fail("%d of %d clients of %s came back; it ended with %d", d.Back, d.Held, d.Gateway, d.Exit)
	}
}

// slope is the rise of y over x, by least squares; that from the base where there is one step.
func slope(base float64, x []int, y []float64) float64 {
	if len(x) == 1 {
		return (y[0] - base) / float64(x[0])
	}
	var mx, my, num, den float64
	for i := range x {
		mx += float64(x[i]) / float64(len(x))
		my += y[i] / float64(len(x))
	}
	for i := range x {
		num += (float64(x[i]) - mx) * (y[i] - my)
		den += (float64(x[i]) - mx) * (float64(x[i]) - mx)
	}
	return num / den
}
