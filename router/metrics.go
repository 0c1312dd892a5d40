package router

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

type metrics struct {
	published prometheus.Counter
	delivers  prometheus.Counter
	unheard   prometheus.Counter
	topics    prometheus.Gauge
	overload  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := metric.For(reg, string(cluster.RoleRouter))
	return &metrics{
		published: f.Counter(metric.RouterPublished),
		delivers:  f.Counter(metric.RouterDelivers),
		unheard:   f.Counter(metric.RouterUnheard),
		topics:    f.Gauge(metric.RouterTopics),
		overload:  f.Counter(metric.RouterOverload),
	}
}
