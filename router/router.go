package router

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/owner"
)

// Config is what a Router is made of.
type Config struct {
	Name       string       // for people
	Version    string       // of the program
	Lanes      int          // 1–64
	Conns      []*nats.Conn // at least one
	Log        *zap.Logger
	Registerer prometheus.Registerer
}

// Router is one router node.
type Router struct{ node *owner.Node }

// New makes a Router. It starts nothing.
func New(cfg Config) (*Router, error) {
	m := newMetrics(cfg.Registerer)
	node, err := owner.New(owner.Config{
		Role: cluster.RoleRouter, Name: cfg.Name, Version: cfg.Version, Lanes: cfg.Lanes,
		Conns: cfg.Conns, Log: cfg.Log, Registerer: cfg.Registerer,
		Handler: func(l *owner.Lane) owner.Handler { return newTopics(l, m) },
	})
	if err != nil {
		return nil, err
	}
	return &Router{node: node}, nil
}

// Run routes until stop is done, then hands over and returns, at the latest when kill is done.
func (r *Router) Run(stop, kill context.Context) error { return r.node.Run(stop, kill) }

// Ready reports why the router cannot do its work now, nil when it can.
func (r *Router) Ready() error { return r.node.Ready() }

// Started is closed when the router owns topics.
func (r *Router) Started() <-chan struct{} { return r.node.Started() }
