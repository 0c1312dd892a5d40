package shelf

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/crew"
	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

// Settings are which topics and rooms have history, and what keeps it. They are those of the README.
type Settings struct {
	Policy       history.Policy
	Stores       map[string]history.Store // by the name of the rule
	DedupeWindow time.Duration
	Memory       int // bytes of recent messages that one node keeps
}

// Config is what the shelves of a node have in common.
type Config struct {
	Policy  history.Policy
	Stores  map[string]history.Store // by the name of the rule
	Crew    *crew.Crew               // makes reads, and knows whether the stores are there
	Window  time.Duration            // DEDUPE_WINDOW
	Memory  int                      // bytes of recent messages that one lane keeps
	Metrics *Metrics
}

// probe is nil when no store says that it is away.
func (s Settings) probe(context.Context) error {
	for _, store := range s.Stores {
		if r, ok := store.(interface{ Ready() error }); ok && r.Ready() != nil {
			return r.Ready()
		}
	}
	return nil
}

// Config makes what the shelves of a node have in common, one for each lane. Reads that fail because too many wait are
// counted by overload. Its Crew is to be stopped at the end.
func (s Settings) Config(lanes int, overload prometheus.Counter, f metric.Factory, log *zap.Logger) *Config {
	reads := crew.New(overload)
	reads.LogPanics(log)
	reads.Guard(crew.Breaker{
		Name: "history", Away: history.ErrUnavailable, Probe: s.probe, Registry: f, Log: log,
		Lost: "JetStream is away: topics and rooms with history are refused until it is back", Back: "JetStream is back",
	})
	return &Config{
		Policy: s.Policy, Stores: s.Stores, Crew: reads, Window: s.DedupeWindow,
		Memory: s.Memory / max(lanes, 1), Metrics: NewMetrics(f),
	}
}
