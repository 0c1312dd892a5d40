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
	Rules        *Rules                   // nil: Policy and Stores, for good
	Policy       history.Policy           // where Rules is nil
	Stores       map[string]history.Store // likewise; by the name of the rule
	DedupeWindow time.Duration
	Memory       int // bytes of recent messages that one node keeps
}

// Config is what the shelves of a node have in common.
type Config struct {
	Rules   *Rules
	Crew    *crew.Crew    // makes reads, and knows whether the stores are there
	Window  time.Duration // DEDUPE_WINDOW
	Memory  int           // bytes of recent messages that one lane keeps
	Metrics *Metrics
}

// OfRoom returns the rule of a room, nil when it has no history.
func (s *Settings) OfRoom(name string) *history.Rule {
	if s.Rules != nil {
		return s.Rules.Policy().OfRoom(name)
	}
	return s.Policy.OfRoom(name)
}

// probe is nil when no store says that it is away.
func (r *Rules) probe(context.Context) error {
	for _, store := range r.stores() {
		if r, ok := store.(interface{ Ready() error }); ok && r.Ready() != nil {
			return r.Ready()
		}
	}
	return nil
}

// Config makes what the shelves of a node have in common, one for each lane. Reads that fail because too many wait are
// counted by overload. Its Crew is to be stopped at the end.
func (s Settings) Config(lanes int, overload prometheus.Counter, f metric.Factory, log *zap.Logger) *Config {
	rules := s.Rules
	if rules == nil {
		rules = NewRules(s.Policy, s.Stores)
	}
	reads := crew.New(overload)
	reads.LogPanics(log)
	reads.Guard(crew.Breaker{
		Name: "history", Away: history.ErrUnavailable, Probe: rules.probe, Registry: f, Log: log,
		Lost: "JetStream is away: topics and rooms with history are refused until it is back", Back: "JetStream is back",
	})
	return &Config{
		Rules: rules, Crew: reads, Window: s.DedupeWindow,
		Memory: s.Memory / max(lanes, 1), Metrics: NewMetrics(f),
	}
}
