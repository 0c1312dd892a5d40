package backbone

import (
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// Metrics counts what the NATS connections of a process do. It is safe for
// concurrent use.
type Metrics struct {
	errors [kinds]prometheus.Counter // static

	mu    sync.Mutex
	conns map[*nats.Conn]struct{} // guarded by mu: those not closed
	gone  nats.Statistics         // guarded by mu: sums of those closed
}

// NewMetrics makes metrics and registers them with reg, which must not have them
// already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{conns: make(map[*nats.Conn]struct{})}
	errors := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: metric.NATSErrors.Name, Help: metric.NATSErrors.Help,
	}, []string{"kind"})
	for kind, name := range kindNames {
		m.errors[kind] = errors.WithLabelValues(name)
	}
	reg.MustRegister(errors, collector{m})
	return m
}

func (m *Metrics) add(nc *nats.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns[nc] = struct{}{}
}

// remove keeps the counts of a closed connection: a counter never falls.
func (m *Metrics) remove(nc *nats.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.conns[nc]; ok {
		delete(m.conns, nc)
		accumulate(&m.gone, nc.Stats())
	}
}

// totals sums up the connections and says how many of them are connected.
func (m *Metrics) totals() (sum nats.Statistics, connected int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum = m.gone
	for nc := range m.conns {
		accumulate(&sum, nc.Stats())
		if nc.IsConnected() {
			connected++
		}
	}
	return sum, connected
}

func accumulate(sum *nats.Statistics, s nats.Statistics) {
	sum.InMsgs += s.InMsgs
	sum.OutMsgs += s.OutMsgs
	sum.InBytes += s.InBytes
	sum.OutBytes += s.OutBytes
	sum.Reconnects += s.Reconnects
}

// collector reads the counts that the NATS client keeps itself, when asked.
type collector struct{ metrics *Metrics }

var (
	connectedDesc  = desc(metric.NATSConnected)
	reconnectsDesc = desc(metric.NATSReconnects)
	inMsgsDesc     = desc(metric.NATSMessagesIn)
	outMsgsDesc    = desc(metric.NATSMessagesOut)
	inBytesDesc    = desc(metric.NATSBytesIn)
	outBytesDesc   = desc(metric.NATSBytesOut)
)

func desc(m metric.Metric) *prometheus.Desc { return prometheus.NewDesc(m.Name, m.Help, nil, nil) }

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectedDesc, reconnectsDesc, inMsgsDesc, outMsgsDesc, inBytesDesc, outBytesDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	sum, connected := c.metrics.totals()
	out <- prometheus.MustNewConstMetric(connectedDesc, prometheus.GaugeValue, float64(connected))
	for d, value := range map[*prometheus.Desc]uint64{
		reconnectsDesc: sum.Reconnects,
		inMsgsDesc:     sum.InMsgs,
		outMsgsDesc:    sum.OutMsgs,
		inBytesDesc:    sum.InBytes,
		outBytesDesc:   sum.OutBytes,
	} {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value))
	}
}
