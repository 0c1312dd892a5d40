package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/config"
	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/history/stream"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/ops"
	"github.com/realtime-cluster/realtime/pkg/process"
	"github.com/realtime-cluster/realtime/pkg/settings"
	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// reageTime bounds the change of a rule's streams.
const reageTime = 5 * time.Second

// histories are what keeps the histories of a process in JetStream, for all its roles. They follow SETTINGS_FILE.
type histories struct {
	node  *node
	rules *shelf.Rules
	file  *settings.File // nil: there is none

	// Of build, then of run.
	stores map[string]*stream.Store // by the name of the rule
	last   history.Policy

	running sync.WaitGroup  // of the stores
	ctx     context.Context // of run
}

// buildHistories makes them, once for all roles. They start before these, and end after them.
func (n *node) buildHistories(ctx context.Context) (err error) {
	if n.histories != nil {
		return nil
	}
	h := &histories{node: n, stores: make(map[string]*stream.Store)}
	policy := n.cfg.Settings.History
	if n.cfg.SettingsFile != "" {
		var now settings.Settings
		h.file, now, err = settings.Open(n.cfg.SettingsFile, h.use, n.log.Named("settings"), metric.For(n.registry, "settings"))
		if err != nil {
			return config.Blame("SETTINGS_FILE", err)
		}
		policy = now.History
		n.health = append(n.health, ops.Part{Name: "settings", Ready: h.file.Health})
	}
	if _, err := h.add(ctx, policy); err != nil {
		return err
	}
	h.rules, h.last = shelf.NewRules(policy, h.all()), policy
	n.histories = h
	n.parts = append(n.parts, process.Part{Name: "histories", Run: h.run})
	return nil
}

// all are the stores, by the names of their rules.
func (h *histories) all() map[string]history.Store {
	all := make(map[string]history.Store, len(h.stores))
	for name, s := range h.stores {
		all[name] = s
	}
	return all
}

// add makes the stores of the rules that have none yet, and returns the names of those that it made.
func (h *histories) add(ctx context.Context, policy history.Policy) (added []string, err error) {
	n := h.node
	for _, rule := range policy {
		if h.stores[rule.Name] != nil {
			continue
		}
		conns, err := n.connect(ctx, "history", 1)
		if err != nil {
			return added, err
		}
		replicas := rule.Replicas
		if n.embedded != nil {
			replicas = 1
		}
		s, err := stream.New(stream.Config{
			Conn: conns[0], Rule: rule, DedupeWindow: n.cfg.History.DedupeWindow, Replicas: replicas, Log: n.log.Named("history"),
		})
		if err != nil {
			return added, err
		}
		h.stores[rule.Name] = s
		added = append(added, rule.Name)
	}
	return added, nil
}

// run runs the stores, and follows the file.
func (h *histories) run(stop, _ context.Context) error {
	h.ctx = stop
	defer h.running.Wait()
	for name, s := range h.stores {
		h.start(name, s)
	}
	if h.file == nil {
		<-stop.Done()
		return nil
	}
	h.node.supervisor.Run(stop, supervise.Part{Name: "settings", Run: h.file.Run})
	return nil
}

func (h *histories) start(name string, s *stream.Store) {
	h.running.Go(func() {
		h.node.supervisor.Run(h.ctx, supervise.Part{Name: "history " + name, Run: s.Run})
	})
}

// use puts what the file says now into force: new rules, and the size and age of old ones. What is not in the file any more stays as it was
// for topics and rooms that are in use.
func (h *histories) use(s settings.Settings) error {
	ctx, cancel := context.WithTimeout(h.ctx, reageTime)
	defer cancel()
	added, err := h.add(ctx, s.History)
	for _, name := range added {
		h.start(name, h.stores[name])
	}
	if err != nil {
		return fmt.Errorf("a new rule: %w", err)
	}
	for _, rule := range s.History {
		for _, was := range h.last {
			if was.Name == rule.Name && was.Replicas != rule.Replicas {
				h.node.log.Warn("settings: replicas are those of new streams: the streams of this rule stay as they are", zap.String("rule", rule.Name))
			}
		}
		h.stores[rule.Name].Reage(ctx, rule.Age)
	}
	h.rules.Replace(s.History, h.all())
	h.last = s.History
	return nil
}
