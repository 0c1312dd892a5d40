// Package metric holds the names of all metrics and makes them.
//
// A metric belongs to the role that counts it, its label role: that tells the roles of one process
// apart. No metric has a user, a topic or an address as a label.
package metric

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metric is a metric's name and help.
type Metric struct{ Name, Help string }

// Factory makes and registers the metrics of one role.
type Factory struct {
	reg  prometheus.Registerer
	errs *[]error
}

// For returns the factory of a role. With a nil reg it registers nothing.
func For(reg prometheus.Registerer, role string) Factory {
	f := Factory{errs: new([]error)}
	if reg != nil {
		f.reg = prometheus.WrapRegistererWith(prometheus.Labels{"role": role}, reg)
	}
	return f
}

// Err reports what could not be registered: the same role twice with one registerer.
func (f Factory) Err() error { return errors.Join(*f.errs...) }

func (f Factory) register(c prometheus.Collector) {
	if f.reg == nil {
		return
	}
	if err := f.reg.Register(c); err != nil {
		*f.errs = append(*f.errs, err)
	}
}

// Counter makes a counter.
func (f Factory) Counter(m Metric) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: m.Name, Help: m.Help})
	f.register(c)
	return c
}

// CounterFunc makes a counter that is read when asked for.
func (f Factory) CounterFunc(m Metric, read func() float64) {
	f.register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, read))
}

// CounterVec makes a counter with labels.
func (f Factory) CounterVec(m Metric, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, labels)
	f.register(c)
	return c
}

// Gauge makes a gauge.
func (f Factory) Gauge(m Metric) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: m.Name, Help: m.Help})
	f.register(g)
	return g
}

// GaugeFunc makes a gauge that is read when asked for, with labels of fixed values or none.
func (f Factory) GaugeFunc(m Metric, labels prometheus.Labels, read func() float64) {
	f.register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.Name, Help: m.Help, ConstLabels: labels}, read))
}

// GaugeVec makes a gauge with labels.
func (f Factory) GaugeVec(m Metric, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, labels)
	f.register(g)
	return g
}

// SharedGaugeVec makes a gauge with labels, or returns the one that the role has already: several parts of
// a role share it.
func (f Factory) SharedGaugeVec(m Metric, labels ...string) *prometheus.GaugeVec {
	return shared(f, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, labels))
}

// SharedCounterVec makes a counter with labels, or returns the one that the role has already.
func (f Factory) SharedCounterVec(m Metric, labels ...string) *prometheus.CounterVec {
	return shared(f, prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, labels))
}

// shared registers a collector, or returns the one that is registered as it already.
func shared[C prometheus.Collector](f Factory, c C) C {
	if f.reg == nil {
		return c
	}
	err := f.reg.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if existing, ok := there.ExistingCollector.(C); ok {
			return existing
		}
	}
	if err != nil {
		*f.errs = append(*f.errs, err)
	}
	return c
}

// Histogram makes a histogram with the given upper bounds.
func (f Factory) Histogram(m Metric, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: m.Name, Help: m.Help, Buckets: buckets})
	f.register(h)
	return h
}
