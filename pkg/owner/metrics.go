package owner

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

// Reasons for which a lane drops a batch or record.
const (
	dropFormat   = "format"    // cannot be read
	dropStale    = "stale"     // of a dead node, or meant for an earlier life of ours
	dropRepeat   = "repeat"    // a link's repeat, or what came behind a gap
	dropWaitFull = "wait_full" // too much waits for the view
	dropDown     = "down_full" // a gateway does not acknowledge
)

type metrics struct {
	batchesIn    prometheus.Counter
	batchesOut   prometheus.Counter
	batchBytes   prometheus.Counter
	records      prometheus.Counter
	resent       prometheus.Counter
	dropped      *prometheus.CounterVec
	forwarded    prometheus.Counter
	held         prometheus.Counter
	refused      prometheus.Counter
	holdTimeouts prometheus.Counter
	panics       prometheus.Counter
	holdSeconds  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, role cluster.Role) *metrics {
	f := metric.For(reg, string(role))
	return &metrics{
		batchesIn:    f.Counter(metric.OwnerBatchesIn),
		batchesOut:   f.Counter(metric.OwnerBatchesOut),
		batchBytes:   f.Counter(metric.OwnerBatchBytes),
		records:      f.Counter(metric.OwnerRecordsOut),
		resent:       f.Counter(metric.OwnerBatchesResent),
		dropped:      f.CounterVec(metric.OwnerDropped, "reason"),
		forwarded:    f.Counter(metric.OwnerForwarded),
		held:         f.Counter(metric.OwnerHeld),
		refused:      f.Counter(metric.OwnerRefused),
		holdTimeouts: f.Counter(metric.OwnerHoldTimeouts),
		panics:       f.Counter(metric.OwnerPanics),
		holdSeconds:  f.Histogram(metric.OwnerHoldSeconds, []float64{.001, .003, .01, .03, .1, .3, 1, 3}),
	}
}

func (m *metrics) addLink(s link.Stats) {
	m.batchesOut.Add(float64(s.Batches))
	m.batchBytes.Add(float64(s.Bytes))
	m.records.Add(float64(s.Records))
	m.resent.Add(float64(s.Resent))
	m.dropped.WithLabelValues(dropDown).Add(float64(s.Dropped))
}
