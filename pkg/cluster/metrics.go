package cluster

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one Member. Each carries the label member, the Member's own role, so that the
// roles of one process can share a Registerer.
type metrics struct {
	version  *prometheus.GaugeVec   // role
	nodes    *prometheus.GaugeVec   // role, state
	changes  *prometheus.CounterVec // role
	died     *prometheus.CounterVec // role
	received prometheus.Counter
	invalid  prometheus.Counter
	sent     prometheus.Counter
	unsent   prometheus.Counter
	deposed  prometheus.Counter
}

// newMetrics registers the metrics; reg may be nil. dropped counts the beats that found our
// queue full.
func newMetrics(reg prometheus.Registerer, self Role, dropped func() float64) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		version: gauges("realtime_view_version",
			"Low 32 bits of the view's version: nodes that show the same number agree on the view.", "role"),
		nodes: gauges("realtime_view_nodes", "Live nodes in the view.", "role", "state"),
		changes: counters("realtime_view_changes_total",
			"Times the view of a role changed.", "role"),
		died: counters("realtime_nodes_died_total",
			"Nodes declared dead because nothing was heard of them.", "role"),
		received: counter("realtime_beats_received_total", "Heartbeats received, our own among them."),
		invalid:  counter("realtime_beats_invalid_total", "Heartbeats ignored: not JSON, another version, or out of bounds."),
		sent:     counter("realtime_beats_sent_total", "Heartbeats published."),
		unsent:   counter("realtime_beats_unsent_total", "Heartbeats that could not be encoded or published."),
		deposed:  counter("realtime_deposed_total", "Times this node took a new incarnation because others had, or must have, declared it dead."),
	}
	for _, r := range Roles { // so that each series exists from the start
		m.version.WithLabelValues(string(r))
		m.nodes.WithLabelValues(string(r), Active.String())
		m.nodes.WithLabelValues(string(r), Leaving.String())
		m.changes.WithLabelValues(string(r))
		m.died.WithLabelValues(string(r))
	}
	if reg == nil {
		return m, nil
	}
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"member": string(self)}, reg)
	for _, c := range []prometheus.Collector{
		m.version, m.nodes, m.changes, m.died, m.received, m.invalid, m.sent, m.unsent, m.deposed,
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "realtime_beats_dropped_total",
			Help: "Heartbeats dropped because this node did not keep up with reading them.",
		}, dropped),
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
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
