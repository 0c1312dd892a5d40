//go:build linux

package main

import (
	"fmt"
	"math"
	"time"
)

// histogram counts durations in buckets of which each is 1 % wider than the one
// before. Its zero value is empty; it travels between processes as JSON.
type histogram struct {
	Counts []int         `json:"counts"`
	N      int           `json:"n"`
	Max    time.Duration `json:"max"`
}

var bucketWidth = math.Log(1.01)

func (h *histogram) add(d time.Duration) {
	i := int(math.Log(float64(max(d, 1))) / bucketWidth)
	for len(h.Counts) <= i {
		h.Counts = append(h.Counts, make([]int, i+1-len(h.Counts))...)
	}
	h.Counts[i]++
	h.N++
	h.Max = max(h.Max, d)
}

func (h *histogram) merge(o *histogram) {
	if n := len(o.Counts); n > len(h.Counts) {
		h.Counts = append(h.Counts, make([]int, n-len(h.Counts))...)
	}
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
	h.N += o.N
	h.Max = max(h.Max, o.Max)
}

// quantile is the time within which the fraction q of all was; 1 % too long at most.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int(math.Ceil(q * float64(h.N)))
	for i, n := range h.Counts {
		if rank -= n; rank <= 0 {
			return min(h.Max, time.Duration(math.Exp(float64(i+1)*bucketWidth)))
		}
	}
	return h.Max
}

// spread sums a histogram up, in milliseconds.
type spread struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func (h *histogram) spread() spread {
	return spread{h.N, millis(h.quantile(0.5)), millis(h.quantile(0.99)), millis(h.Max)}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// columns prints it as cells of a table.
func (s spread) columns() string {
	return fmt.Sprintf("%d\t%.2f\t%.2f\t%.2f", s.N, s.P50, s.P99, s.Max)
}
