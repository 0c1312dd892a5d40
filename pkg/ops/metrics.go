package ops

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// register makes metrics of what /health, /readyz and /info tell.
func register(cfg Config) {
	f := metric.For(cfg.Registerer, cfg.Role)
	f.GaugeFunc(metric.BuildInfo, prometheus.Labels{"version": cfg.Version}, func() float64 { return 1 })
	f.GaugeFunc(metric.Ready, nil, func() float64 {
		for _, p := range cfg.Parts {
			if p.Vital && p.Ready() != nil {
				return 0
			}
		}
		return 1
	})
	for _, p := range cfg.Parts {
		f.GaugeFunc(metric.ComponentHealthy, prometheus.Labels{"component": p.Name}, func() float64 {
			if p.Ready() != nil {
				return 0
			}
			return 1
		})
	}
}
