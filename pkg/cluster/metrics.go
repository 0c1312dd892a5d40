package cluster

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// metrics of one Member: the label role is the Member's own, view the role that is viewed.
type metrics struct {
	version  *prometheus.GaugeVec   // view
	nodes    *prometheus.GaugeVec   // view, state
	changes  *prometheus.CounterVec // view
	died     *prometheus.CounterVec // view
	suspects *prometheus.CounterVec // view
	received prometheus.Counter
	invalid  prometheus.Counter
	sent     prometheus.Counter
	unsent   prometheus.Counter
	deposed  prometheus.Counter
}

// newMetrics registers the metrics; reg may be nil. dropped counts the beats that found our
// queue full.
func newMetrics(reg prometheus.Registerer, self Role, dropped func() float64) (*metrics, error) {
	f := metric.For(reg, string(self))
	m := &metrics{
		version:  f.GaugeVec(metric.ViewVersion, "view"),
		nodes:    f.GaugeVec(metric.ViewNodes, "view", "state"),
		changes:  f.CounterVec(metric.ViewChanges, "view"),
		died:     f.CounterVec(metric.NodesDied, "view"),
		suspects: f.CounterVec(metric.Suspicions, "view"),
		received: f.Counter(metric.BeatsReceived),
		invalid:  f.Counter(metric.BeatsInvalid),
		sent:     f.Counter(metric.BeatsSent),
		unsent:   f.Counter(metric.BeatsUnsent),
		deposed:  f.Counter(metric.Deposed),
	}
	f.CounterFunc(metric.BeatsDropped, dropped)
	for _, r := range Roles { // so that each series exists from the start
		m.version.WithLabelValues(string(r))
		m.nodes.WithLabelValues(string(r), Active.String())
		m.nodes.WithLabelValues(string(r), Leaving.String())
		m.changes.WithLabelValues(string(r))
		m.died.WithLabelValues(string(r))
		m.suspects.WithLabelValues(string(r))
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

// view shows what changed from old to new.
func (m *metrics) view(old, new *Views) {
	for _, r := range Roles {
		v := new.Of(r)
		if v == old.Of(r) {
			continue
		}
		m.changes.WithLabelValues(string(r)).Inc()
		m.version.WithLabelValues(string(r)).Set(float64(uint32(v.Version)))
		m.nodes.WithLabelValues(string(r), Active.String()).Set(float64(len(v.Active)))
		m.nodes.WithLabelValues(string(r), Leaving.String()).Set(float64(len(v.Leaving)))
	}
}
