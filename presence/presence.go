// Package presence will own users and rooms. For now a presence node takes part in the
// cluster, beats and is in the views, so that the rest can be operated with it; no record is
// sent to it yet.
package presence

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Config is what a Presence is made of.
type Config struct {
	Name       string       // for people
	Version    string       // of the program
	Lanes      int          // 1–64
	Conns      []*nats.Conn // at least one
	Log        *zap.Logger
	Registerer prometheus.Registerer
}

// Presence is one presence node.
type Presence struct{ node *owner.Node }

// New makes a Presence. It starts nothing.
func New(cfg Config) (*Presence, error) {
	node, err := owner.New(owner.Config{
		Role: cluster.RolePresence, Name: cfg.Name, Version: cfg.Version, Lanes: cfg.Lanes,
		Conns: cfg.Conns, Log: cfg.Log, Registerer: cfg.Registerer,
		Handler: func(*owner.Lane) owner.Handler { return nothing{} },
	})
	if err != nil {
		return nil, err
	}
	return &Presence{node: node}, nil
}

// Run takes part until stop is done, then leaves and returns, at the latest when kill is done.
func (p *Presence) Run(stop, kill context.Context) error { return p.node.Run(stop, kill) }

// Ready reports why the node does not do its work now, nil when it does.
func (p *Presence) Ready() error { return p.node.Ready() }

// Started is closed when the node is in the view.
func (p *Presence) Started() <-chan struct{} { return p.node.Started() }

// nothing is a Handler that owns no keys.
type nothing struct{}

func (nothing) Key(wire.Record) (string, bool, error)   { return "", false, nil }
func (nothing) Apply(owner.Source, wire.Record)         {}
func (nothing) Tell(owner.Source, uint64, wire.Record)  {}
func (nothing) Refuse(owner.Source, wire.Record)        {}
func (nothing) Forget(*owner.Gateway)                   {}
func (nothing) Keep(func(key string, view uint64) bool) {}
func (nothing) Reset()                                  {}
