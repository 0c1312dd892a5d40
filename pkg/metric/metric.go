// Package metric holds the names of all metrics and makes them.
//
// A metric belongs to the role that counts it: in a process with several roles the
// label role tells them apart. No metric has a user, a topic or an address as a label.
package metric

import "github.com/prometheus/client_golang/prometheus"

// Metric is a metric's name and help.
type Metric struct{ Name, Help string }

// Factory makes and registers the metrics of one role.
type Factory struct{ reg prometheus.Registerer }

// For returns the factory of a role.
func For(reg prometheus.Registerer, role string) Factory {
	return Factory{prometheus.WrapRegistererWith(prometheus.Labels{"role": role}, reg)}
}

// Counter makes a counter.
func (f Factory) Counter(m Metric) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: m.Name, Help: m.Help})
	f.reg.MustRegister(c)
	return c
}

// CounterVec makes a counter with labels.
func (f Factory) CounterVec(m Metric, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, labels)
	f.reg.MustRegister(c)
	return c
}

// Gauge makes a gauge.
func (f Factory) Gauge(m Metric) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: m.Name, Help: m.Help})
	f.reg.MustRegister(g)
	return g
}

// GaugeFunc makes a gauge that is read when asked for.
func (f Factory) GaugeFunc(m Metric, read func() float64) {
	f.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, read))
}

// Histogram makes a histogram.
func (f Factory) Histogram(m Metric, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: m.Name, Help: m.Help, Buckets: buckets})
	f.reg.MustRegister(h)
	return h
}
