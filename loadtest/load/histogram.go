//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the longest duration that is told apart; longer ones count as this.
const longest = 2 * time.Minute

// The histograms that workers keep, besides one for the deliveries of each kind.
const (
	histWelcome  = "welcome"  // from when a connection was to be opened to its welcome
	histGreeted  = "greeted"  // from then until its subscriptions are answered
	histDelivery = "delivery" // from when a message was to be sent until a receiver had it
	histAck      = "ack"      // from then until its sender had the Ack
	histLate     = "late"     // from then until it was sent: what the workers themselves were late
	histAway     = "away"     // from a connection's end to when it was there again
)

// histograms are durations in microseconds, by name.
type histograms map[string]*hdrhistogram.Histogram

func (h histograms) add(name string, d time.Duration) {
	k := h[name]
	if k == nil {
		k = hdrhistogram.New(1, longest.Microseconds(), 3)
		h[name] = k
	}
	_ = k.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds())) // it is in the range
}

// encode empties them into what travels as JSON.
func (h histograms) encode() (map[string]string, error) {
	out := make(map[string]string)
	for name, k := range h {
		if k.TotalCount() == 0 {
			continue
		}
		b, err := k.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return nil, fmt.Errorf("encode a histogram: %w", err)
		}
		out[name] = string(b)
		k.Reset()
	}
	return out, nil
}

// merge adds what encode made.
func (h histograms) merge(in map[string]string) error {
	for name, text := range in {
		k, err := hdrhistogram.Decode([]byte(text))
		if err != nil {
			return fmt.Errorf("decode a histogram: %w", err)
		}
		if h[name] == nil {
			h[name] = hdrhistogram.New(1, longest.Microseconds(), 3)
		}
		h[name].Merge(k)
	}
	return nil
}

// latency sums a histogram up, in milliseconds.
type latency struct {
	N    int64   `json:"n"`
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P95  float64 `json:"p95_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

func (h histograms) latency(name string) latency {
	k := h[name]
	if k == nil || k.TotalCount() == 0 {
		return latency{}
	}
	at := func(p float64) float64 { return float64(k.ValueAtPercentile(p)) / 1000 }
	return latency{k.TotalCount(), k.Mean() / 1000, at(50), at(95), at(99), at(99.9), float64(k.Max()) / 1000}
}

// quantile is one point of a distribution.
type quantile struct {
	Percentile float64 `json:"percentile"`
	Millis     float64 `json:"ms"`
}

// distribution is a histogram at percentiles ever closer to 100.
func (h histograms) distribution(name string) (list []quantile) {
	k := h[name]
	if k == nil || k.TotalCount() == 0 {
		return nil
	}
	for _, p := range []float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 99.999} {
		if rest := float64(k.TotalCount()) * (100 - p) / 100; p > 50 && rest < 1 {
			break
		}
		list = append(list, quantile{p, float64(k.ValueAtPercentile(p)) / 1000})
	}
	return append(list, quantile{100, float64(k.Max()) / 1000})
}
