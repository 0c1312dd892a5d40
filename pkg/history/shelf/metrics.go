package shelf

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

// Metrics are those of the histories of one role.
type Metrics struct {
	stored, foreign, duplicates, refused, full prometheus.Counter
	bytes, loads, reads, memory, forgotten     prometheus.Counter
	recovered, broken, unverified              prometheus.Counter
	conflicts, unknown                         prometheus.Counter
	seconds                                    prometheus.Histogram
	logs, memoryBytes                          prometheus.Gauge
}

// NewMetrics makes the metrics.
func NewMetrics(f metric.Factory) *Metrics {
	recoveries := f.CounterVec(metric.HistoryRecoveries, "whole")
	pages := f.CounterVec(metric.HistoryReads, "from")
	failed := f.CounterVec(metric.HistoryFailed, "reason")
	return &Metrics{
		stored:      f.Counter(metric.HistoryStored),
		foreign:     f.Counter(metric.HistoryForeign),
		duplicates:  f.Counter(metric.HistoryDuplicates),
		refused:     failed.WithLabelValues("refused"),
		full:        failed.WithLabelValues("full"),
		conflicts:   failed.WithLabelValues("conflict"),
		unknown:     failed.WithLabelValues("unknown"),
		unverified:  failed.WithLabelValues("unverified"),
		bytes:       f.Counter(metric.HistoryBytes),
		loads:       f.Counter(metric.HistoryLoads),
		reads:       pages.WithLabelValues("store"),
		memory:      pages.WithLabelValues("memory"),
		forgotten:   f.Counter(metric.HistoryForgotten),
		recovered:   recoveries.WithLabelValues("true"),
		broken:      recoveries.WithLabelValues("false"),
		seconds:     f.Histogram(metric.HistorySeconds, prometheus.ExponentialBuckets(0.0002, 2, 15)),
		logs:        f.Gauge(metric.HistoryLogs),
		memoryBytes: f.Gauge(metric.HistoryMemory),
	}
}

// appended counts the outcome of a write.
func (m *Metrics) appended(took time.Duration, err error) {
	switch {
	case err == nil:
		m.seconds.Observe(took.Seconds())
	case errors.Is(err, history.ErrConflict):
		m.conflicts.Inc()
	case !errors.Is(err, history.ErrRefused):
		m.unknown.Inc()
	}
}
