package ops

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestGauges: the metrics say what /readyz and /health say at the time they are read.
func TestGauges(t *testing.T) {
	var nats, redis error
	reg := prometheus.NewRegistry()
	New(Config{Registerer: reg, Version: "v1.2.3", Role: "router", Parts: []Part{
		{Name: "nats", Ready: func() error { return nats }, Vital: true},
		{Name: "redis", Ready: func() error { return redis }},
	}})
	for _, tt := range []struct {
		name                   string
		nats, redis            error
		ready, natsUp, redisUp string
	}{
		{"all well", nil, nil, "1", "1", "1"},
		{"a lesser part is away", nil, errors.New("x"), "1", "1", "0"},
		{"a vital part is away", errors.New("x"), nil, "0", "0", "1"},
	} {
		nats, redis = tt.nats, tt.redis
		want := strings.NewReplacer("READY", tt.ready, "NATS", tt.natsUp, "REDIS", tt.redisUp).Replace(`
# HELP realtime_build_info Always 1, with the version of the program as a label.
# TYPE realtime_build_info gauge
realtime_build_info{role="router",version="v1.2.3"} 1
# HELP realtime_component_healthy Whether a component of /health is healthy: 1, or 0.
# TYPE realtime_component_healthy gauge
realtime_component_healthy{component="nats",role="router"} NATS
realtime_component_healthy{component="redis",role="router"} REDIS
# HELP realtime_ready What /readyz says: 1 ready, 0 not.
# TYPE realtime_ready gauge
realtime_ready{role="router"} READY
`)
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
