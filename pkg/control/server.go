package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/hot"
	"github.com/realtime-cluster/realtime/pkg/ops"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// queueSize is how many requests wait; more are dropped, and their senders' time is over.
	queueSize = 64

	// disconnectTime is how long a disconnect waits for Redis.
	disconnectTime = 3 * time.Second
)

// Config is what a Server answers with. What is nil the process does not have.
type Config struct {
	Conn     *nats.Conn
	Log      *zap.Logger
	Node     string
	Role     string
	Version  string
	Address  string
	Settings map[string]string // without secrets
	Parts    []ops.Part
	Gatherer prometheus.Gatherer

	Topics     func(n int) []hot.Rate
	Slow       func(n int) []SlowClient
	Drain      func()
	Disconnect func(ctx context.Context, user string) error
}

// Server answers for a process.
type Server struct {
	cfg     Config
	id      string
	started time.Time
}

// New makes a Server. It starts nothing.
func New(cfg Config) *Server { return &Server{cfg: cfg, id: nuid.Next(), started: time.Now()} }

// Run answers until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	asked := make(chan *nats.Msg, queueSize)
	subs, err := s.subscribe(asked)
	defer func() {
		for _, sub := range subs {
			_ = sub.Unsubscribe() // fails where the connection is closed
		}
	}()
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-asked:
			if err := m.Respond(s.answer(ctx, m.Data).encode()); err != nil {
				s.cfg.Log.Debug("answer an operator's tool", zap.Error(err))
			}
		}
	}
}

func (s *Server) subscribe(to chan *nats.Msg) (subs []*nats.Subscription, err error) {
	add := func(sub *nats.Subscription, failed error) {
		if failed != nil {
			err = errors.Join(err, failed)
			return
		}
		subs = append(subs, sub)
	}
	add(s.cfg.Conn.ChanSubscribe(wire.ControlAll, to))
	add(s.cfg.Conn.ChanSubscribe(wire.Control(s.id), to))
	if s.cfg.Disconnect != nil {
		add(s.cfg.Conn.ChanQueueSubscribe(wire.ControlGateway, "control", to))
	}
	return subs, err
}

func (s *Server) answer(ctx context.Context, data []byte) *reply {
	var ask request
	if err := json.Unmarshal(data, &ask); err != nil {
		return &reply{Error: "not a request: " + err.Error()}
	}
	switch {
	case ask.Action == actionReport:
		report, err := s.report()
		if err != nil {
			s.cfg.Log.Warn("read the metrics for a report", zap.Error(err))
		}
		return &reply{Report: report}
	case ask.Action == actionDrain:
		s.cfg.Log.Info("stopping, as a tool has asked", zap.String("by", ask.By))
		s.cfg.Drain()
		return &reply{}
	case ask.Action == actionDisconnect && s.cfg.Disconnect != nil:
		return s.disconnect(ctx, ask)
	}
	return &reply{Error: fmt.Sprintf("%s %s: no such action %q", s.cfg.Role, s.cfg.Version, ask.Action)}
}

func (s *Server) disconnect(ctx context.Context, ask request) *reply {
	if auth.ValidateUser(ask.User) != nil {
		return &reply{Error: "user: not 1 to 128 bytes without control characters"}
	}
	ctx, cancel := context.WithTimeout(ctx, disconnectTime)
	defer cancel()
	if err := s.cfg.Disconnect(ctx, ask.User); err != nil {
		return &reply{Error: "it may not be done: " + err.Error()}
	}
	s.cfg.Log.Info("disconnected, as a tool has asked", zap.String("user", ask.User), zap.String("by", ask.By))
	return &reply{}
}

// report tells how the process is. With an error it lacks some figures.
func (s *Server) report() (*Report, error) {
	r := &Report{
		ID: s.id, Node: s.cfg.Node, Role: s.cfg.Role, Version: s.cfg.Version, Address: s.cfg.Address,
		PID: os.Getpid(), StartedAt: s.started, Settings: s.cfg.Settings, Troubles: make(map[string]string), At: time.Now(),
	}
	status, components := ops.Health(s.cfg.Parts)
	r.Status = status
	for name, c := range components {
		if c.Status != ops.StatusHealthy {
			r.Troubles[name] = c.Reason
		}
	}
	if s.cfg.Topics != nil {
		r.Topics = s.cfg.Topics(maxTopics)
	}
	if s.cfg.Slow != nil {
		r.Slow = s.cfg.Slow(maxSlow)
	}
	return r, r.read(s.cfg.Gatherer)
}
