package router

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/crew"
	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/hot"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/rules"
	"github.com/realtime-cluster/realtime/pkg/rules/enforce"
	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// Config is what a Router is made of.
type Config struct {
	Name       string       // for people
	Version    string       // of the program
	Lanes      int          // 1–64
	Conns      []*nats.Conn // at least one
	Log        *zap.Logger
	Registerer prometheus.Registerer
	Supervisor *supervise.Supervisor // restarts lanes; nil: one of the node's own, to which nobody listens

	Rules *rules.File // nil: there are none

	// History is which topics have one, and where it is kept.
	History shelf.Settings
}

// Router is one router node.
type Router struct {
	node *owner.Node
	crew *crew.Crew // reads histories
	hot  *hot.Counter
}

// New makes a Router. It starts nothing.
func New(cfg Config) (*Router, error) {
	m := newMetrics(cfg.Registerer)
	f := metric.For(cfg.Registerer, string(cluster.RoleRouter))
	shelves := cfg.History.Config(cfg.Lanes, m.overload, f, cfg.Log)
	rulesMetrics := rules.NewMetrics(f)
	topicRates := new(hot.Counter)
	node, err := owner.New(owner.Config{
		Role: cluster.RoleRouter, Name: cfg.Name, Version: cfg.Version, Lanes: cfg.Lanes,
		Conns: cfg.Conns, Log: cfg.Log, Registerer: cfg.Registerer, Supervisor: cfg.Supervisor,
		Handler: func(l *owner.Lane) owner.Handler {
			t := newTopics(l, m, shelves, topicRates)
			t.rules = enforce.New(l, cfg.Rules, rulesMetrics)
			return t
		},
	})
	if err != nil {
		return nil, err
	}
	return &Router{node: node, crew: shelves.Crew, hot: topicRates}, nil
}

// Run routes until stop is done, then hands over and returns, at the latest when kill is done.
func (r *Router) Run(stop, kill context.Context) error {
	defer r.crew.Stop()
	return r.node.Run(stop, kill)
}

// Ready reports why the router cannot do its work now, nil when it can.
func (r *Router) Ready() error { return r.node.Ready() }

// HistoryReady reports why histories cannot be read; nil when they can.
func (r *Router) HistoryReady() error { return r.crew.Health() }

// Hot estimates the rates of Broadcasts of the up to n topics that had most of late.
func (r *Router) Hot(n int) []hot.Rate { return r.hot.Top(n) }

// Started is closed when the router owns topics.
func (r *Router) Started() <-chan struct{} { return r.node.Started() }
