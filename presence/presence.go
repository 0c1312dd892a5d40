package presence

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/crew"
	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/rules"
	"github.com/realtime-cluster/realtime/pkg/rules/enforce"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/supervise"
	"github.com/realtime-cluster/realtime/presence/durable"
)

// Config is what a Presence is made of. The settings are those of the README.
type Config struct {
	Name       string       // for people
	Version    string       // of the program
	Lanes      int          // 1–64
	Conns      []*nats.Conn // at least one
	Queue      *store.Queue // for absent users; nil: queueing is off
	Seen       *store.Seen  // when users were last seen; nil: known only while the owner knows
	Log        *zap.Logger
	Registerer prometheus.Registerer
	Supervisor *supervise.Supervisor // restarts lanes; nil: one of the node's own, to which nobody listens

	RoomGrace      time.Duration
	MaxRooms       int // of one user
	MaxRoomMembers int
	RoomReplicas   int // of durable rooms; 0: by the size of the NATS cluster

	Rules *rules.File // nil: there are none

	History shelf.Settings // which rooms have one, and where it is kept

	Durable *durable.Rooms // set by New
}

// Presence is one presence node.
type Presence struct {
	node             *owner.Node
	redis, jetstream *crew.Crew
	histories        *crew.Crew // reads them
}

// New makes a Presence. It starts nothing.
func New(cfg Config) (*Presence, error) {
	m := newMetrics(cfg.Registerer)
	f := metric.For(cfg.Registerer, string(cluster.RolePresence))
	p := &Presence{redis: crew.New(m.overload), jetstream: crew.New(m.overload)}
	p.redis.LogPanics(cfg.Log)
	p.jetstream.LogPanics(cfg.Log)
	p.jetstream.Guard(crew.Breaker{
		Name: "jetstream", Away: durable.ErrUnavailable, Registry: f, Log: cfg.Log,
		Probe: func(ctx context.Context) error { return cfg.Durable.Probe(ctx) },
		Doubt: func() bool { return cfg.Durable.ReadOnly() },
		Lost:  "JetStream is away: durable rooms, and rooms that are not open yet, are refused until it is back",
		Back:  "JetStream is back",
	})
	var err error
	cfg.Durable, err = durable.New(durable.Config{
		Conn: cfg.Conns[0], Replicas: cfg.RoomReplicas, Log: cfg.Log, Calls: m.durable,
	})
	if err != nil {
		return nil, err
	}
	histories := cfg.History.Config(cfg.Lanes, m.overload, f, cfg.Log)
	p.histories = histories.Crew
	rulesMetrics := rules.NewMetrics(f)
	p.node, err = owner.New(owner.Config{
		Role: cluster.RolePresence, Name: cfg.Name, Version: cfg.Version, Lanes: cfg.Lanes,
		Conns: cfg.Conns, Log: cfg.Log, Registerer: cfg.Registerer, Supervisor: cfg.Supervisor,
		Handler: func(l *owner.Lane) owner.Handler {
			r := newRegistry(l, &cfg, m, p.redis, p.jetstream, histories)
			r.rules = enforce.New(l, cfg.Rules, rulesMetrics)
			return r
		},
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Run owns users and rooms until stop is done, then hands over and returns, at the latest when
// kill is done.
func (p *Presence) Run(stop, kill context.Context) error {
	defer p.jetstream.Stop()
	defer p.redis.Stop()
	defer p.histories.Stop()
	return p.node.Run(stop, kill)
}

// Ready reports why the node cannot do its work now, nil when it can.
func (p *Presence) Ready() error { return p.node.Ready() }

// RoomsReady reports why durable rooms, and rooms that are not open yet, cannot be had; nil when they can.
func (p *Presence) RoomsReady() error { return p.jetstream.Health() }

// HistoryReady reports why histories of rooms cannot be read; nil when they can.
func (p *Presence) HistoryReady() error { return p.histories.Health() }

// Started is closed when the node owns users and rooms.
func (p *Presence) Started() <-chan struct{} { return p.node.Started() }
