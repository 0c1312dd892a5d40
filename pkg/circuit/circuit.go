// Package circuit has what the circuit breakers before Redis, JetStream and key servers share.
package circuit

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// Metrics are those of the circuit breaker before one dependency. They are safe for concurrent use.
type Metrics struct {
	state   prometheus.Gauge
	changes *prometheus.CounterVec
}

// NewMetrics makes the metrics of a dependency's breaker. Those of one role share them.
func NewMetrics(f metric.Factory, dependency string) Metrics {
	changes := f.SharedCounterVec(metric.BreakerChanges, "dependency", "to")
	m := Metrics{
		state:   f.SharedGaugeVec(metric.BreakerState, "dependency").WithLabelValues(dependency),
		changes: changes.MustCurryWith(prometheus.Labels{"dependency": dependency}),
	}
	for _, s := range []gobreaker.State{gobreaker.StateClosed, gobreaker.StateHalfOpen, gobreaker.StateOpen} {
		m.changes.WithLabelValues(s.String())
	}
	return m
}

// Changed notes the state into which the breaker came.
func (m Metrics) Changed(to gobreaker.State) {
	m.state.Set(float64(to)) // gobreaker counts as metric.BreakerState tells
	m.changes.WithLabelValues(to.String()).Inc()
}
