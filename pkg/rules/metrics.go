package rules

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// outcome is how the examination of a message by a rule ended.
type outcome uint8

const (
	passed outcome = iota
	dropped
	rejected
	limited
	redirected
	stopped
	failed
	unclear

	outcomes
)

var outcomeNames = [outcomes]string{
	"passed", "dropped", "rejected", "limited", "redirected", "stopped", "failed", "condition_error",
}

// Metrics count what the rules of a role do. All the role's Judges share them.
type Metrics struct {
	outcomes *prometheus.CounterVec
	evicted  prometheus.Counter

	mu    sync.Mutex
	names map[string]bool // of the rules that have series; guarded by mu
	set   *Set            // that they are of; guarded by mu
}

// NewMetrics makes the metrics of a role.
func NewMetrics(f metric.Factory) *Metrics {
	return &Metrics{
		outcomes: f.CounterVec(metric.RulesOutcomes, "rule", "outcome"),
		evicted:  f.Counter(metric.RulesEvicted),
		names:    make(map[string]bool),
	}
}

func (m *Metrics) evictions() prometheus.Counter {
	if m == nil {
		return nil
	}
	return m.evicted
}

// of returns the counters of the rules of a set. Series of rules that are no more are removed, so that there are
// never more than the rules have outcomes.
func (m *Metrics) of(set *Set) []counters {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.set != set {
		m.set = set
		names := make(map[string]bool, len(set.rules))
		for _, r := range set.rules {
			names[r.name] = true
		}
		for name := range m.names {
			if !names[name] {
				m.outcomes.DeletePartialMatch(prometheus.Labels{"rule": name})
			}
		}
		m.names = names
	}
	all := make([]counters, len(set.rules))
	for i, r := range set.rules {
		all[i] = counters{vec: m.outcomes, rule: r.name}
	}
	return all
}

// counters are those of one rule. They belong to a Judge; a series begins with its first count.
type counters struct {
	vec  *prometheus.CounterVec
	rule string
	of   [outcomes]prometheus.Counter
}

func (c *counters) inc(o outcome) {
	if c.of[o] == nil {
		c.of[o] = c.vec.WithLabelValues(c.rule, outcomeNames[o])
	}
	c.of[o].Inc()
}
