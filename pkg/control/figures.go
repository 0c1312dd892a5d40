package control

import (
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Figures are the metrics of a report, by the names they have on /metrics.
var Figures = []string{
	"process_cpu_seconds_total", "process_resident_memory_bytes", "go_goroutines",
	"realtime_gateway_connections", "realtime_gateway_max_connections", "realtime_gateway_draining",
	"realtime_gateway_frames_received_total", "realtime_gateway_frames_sent_total",
	"realtime_gateway_bytes_received_total", "realtime_gateway_bytes_sent_total",
	"realtime_gateway_subscriptions", "realtime_gateway_outbox_bytes", "realtime_gateway_dropped_total",
	"realtime_router_published_total", "realtime_router_topics",
	"realtime_presence_users", "realtime_presence_rooms", "realtime_presence_dropped_total",
	"realtime_owner_batches_received_total", "realtime_owner_batches_sent_total", "realtime_owner_dropped_total",
	"realtime_owner_refused_total",
	"realtime_nats_in_messages_total", "realtime_nats_out_messages_total",
}

// The metrics of which a report tells more than a sum.
const (
	viewVersion     = "realtime_view_version"
	viewNodes       = "realtime_view_nodes"
	breakerState    = "realtime_breaker_state"
	deliverySeconds = "realtime_gateway_delivery_seconds"
)

var breakerStates = []string{"closed", "half-open", "open"}

// read fills in what a registry knows.
func (r *Report) read(from prometheus.Gatherer) error {
	families, err := from.Gather()
	r.Figures, r.Views, r.Breakers = make(map[string]float64), make(map[string]View), make(map[string]string)
	for _, f := range families {
		name := f.GetName()
		for _, m := range f.GetMetric() {
			switch name {
			case viewVersion, viewNodes:
				r.addView(name, labels(m), m.GetGauge().GetValue())
			case breakerState:
				of, state := labels(m)["dependency"], breakerStates[int(m.GetGauge().GetValue())]
				if r.Breakers[of] == "" || slices.Index(breakerStates, state) > slices.Index(breakerStates, r.Breakers[of]) {
					r.Breakers[of] = state
				}
			case deliverySeconds:
				r.Delivery = buckets(m.GetHistogram())
			default:
				if slices.Contains(Figures, name) {
					r.Figures[name] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
				}
			}
		}
	}
	return err
}

// addView notes what one of the roles of the process says of a view: they may differ for a moment.
func (r *Report) addView(name string, label map[string]string, value float64) {
	v := r.Views[label["view"]]
	switch {
	case name == viewVersion:
		v.Version = uint32(value)
	case label["state"] == "active":
		v.Active = int(value)
	default:
		v.Leaving = int(value)
	}
	r.Views[label["view"]] = v
}

func labels(m *dto.Metric) map[string]string {
	all := make(map[string]string)
	for _, l := range m.GetLabel() {
		all[l.GetName()] = l.GetValue()
	}
	return all
}

func buckets(h *dto.Histogram) []Bucket {
	var list []Bucket
	for _, b := range h.GetBucket() {
		if !math.IsInf(b.GetUpperBound(), 1) {
			list = append(list, Bucket{b.GetUpperBound(), b.GetCumulativeCount()})
		}
	}
	return append(list, Bucket{0, h.GetSampleCount()})
}

// Quantile estimates the time within which the part q of the deliveries between two reports was made, by linear
// interpolation within a bucket as Prometheus does; false where there were none. Where it lies beyond the last bound, that.
func Quantile(q float64, earlier, later []Bucket) (seconds float64, ok bool) {
	counts := slices.Clone(later)
	for i := range counts {
		if len(earlier) == len(later) {
			counts[i].Count -= min(earlier[i].Count, counts[i].Count)
		}
	}
	if len(counts) == 0 || counts[len(counts)-1].Count == 0 {
		return 0, false
	}
	rank := q * float64(counts[len(counts)-1].Count)
	var below Bucket
	for _, b := range counts[:len(counts)-1] {
		if float64(b.Count) >= rank {
			return below.Seconds + (b.Seconds-below.Seconds)*(rank-float64(below.Count))/float64(b.Count-below.Count), true
		}
		below = b
	}
	return below.Seconds, true
}
