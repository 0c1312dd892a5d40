package backbone

import (
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
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
		Name: "realtime_nats_errors_total",
		Help: "Errors of NATS connections: lost connections, slow consumers, refusals.",
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
	connectedDesc  = prometheus.NewDesc("realtime_nats_connected", "NATS connections that are up.", nil, nil)
	reconnectsDesc = prometheus.NewDesc("realtime_nats_reconnects_total", "Times a NATS connection came back.", nil, nil)
	inMsgsDesc     = prometheus.NewDesc("realtime_nats_in_messages_total", "Messages received from NATS.", nil, nil)
	outMsgsDesc    = prometheus.NewDesc("realtime_nats_out_messages_total", "Messages sent to NATS.", nil, nil)
	inBytesDesc    = prometheus.NewDesc("realtime_nats_in_bytes_total", "Payload bytes received from NATS.", nil, nil)
	outBytesDesc   = prometheus.NewDesc("realtime_nats_out_bytes_total", "Payload bytes sent to NATS.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{connectedDesc, reconnectsDesc, inMsgsDesc, outMsgsDesc, inBytesDesc, outBytesDesc} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	sum, connected := c.metrics.totals()
	out <- prometheus.MustNewConstMetric(connectedDesc, prometheus.GaugeValue, float64(connected))
	for desc, value := range map[*prometheus.Desc]uint64{
		reconnectsDesc: sum.Reconnects,
		inMsgsDesc:     sum.InMsgs,
		outMsgsDesc:    sum.OutMsgs,
		inBytesDesc:    sum.InBytes,
		outBytesDesc:   sum.OutBytes,
	} {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value))
	}
}
