package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// storm is chaos among real processes: bursts of actions at the same time, each followed by a pause in which the system must
// get on. One NATS server at most is away at a time, as three keep what two have; all else may be.
type storm struct {
	// static
	cluster *cluster.Cluster
	set     *settings
	rec     *recorder
	log     io.Writer
	actions []*action

	rng *rand.Rand // owned by run

	mu   sync.Mutex // guards what follows
	busy map[string]bool
	done map[string]int
	errs []error
}

// action is one thing that is done to one target.
type action struct {
	name   string
	weight int
	// targets lists what it may be done to: the keys under which they are busy.
	targets func() []string
	// do does it and mends it, however long that takes.
	do func(ctx context.Context, rng *rand.Rand, target string) error
}

func newStorm(c *cluster.Cluster, set *settings, rec *recorder, log io.Writer) *storm {
	s := &storm{
		cluster: c, set: set, rec: rec, log: log, rng: rand.New(rand.NewPCG(set.seed, 1)),
		busy: make(map[string]bool), done: make(map[string]int),
	}
	for _, a := range s.all() {
		if set.only == "" || slices.ContainsFunc(strings.Split(set.only, ","), func(p string) bool { return strings.HasPrefix(a.name, p) }) {
			s.actions = append(s.actions, a)
		}
	}
	return s
}

const (
	mendTimeout = 90 * time.Second // of one action
	// getOn bounds the time in which all keys must get an Ack when nothing is broken any more.
	getOn = 45 * time.Second
)

func (s *storm) run(ctx context.Context) error {
	if len(s.actions) == 0 {
		return errors.New("there is no such action")
	}
	for sleep(ctx, between(s.rng, 500*time.Millisecond, 4*time.Second)) {
		if s.rng.IntN(8) == 0 && !sleep(ctx, 6*time.Second) {
			break
		}
		if err := s.burst(ctx); err != nil {
			return err
		}
		s.getOn(ctx)
	}
	return nil
}

// burst does some actions, at the same time as far as it happens so, and waits until all is mended.
func (s *storm) burst(ctx context.Context) error {
	var under sync.WaitGroup
	for range 1 + s.rng.IntN(5) {
		a, target := s.pick()
		if a == nil {
			continue
		}
		rng := rand.New(rand.NewPCG(s.rng.Uint64(), 0))
		fmt.Fprintf(s.log, "%6.1f s: %s: %s\n", s.rec.now().Seconds(), a.name, target)
		under.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendTimeout)
			defer cancel()
			s.ended(a, target, a.do(ctx, rng, target))
		})
		if !sleep(ctx, between(s.rng, 0, 1500*time.Millisecond)) {
			break
		}
	}
	under.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.errs...)
}

// pick takes an action and a target that is not busy; nil when none was found.
func (s *storm) pick() (*action, string) {
	sum := 0
	for _, a := range s.actions {
		sum += a.weight
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for range 10 {
		n := s.rng.IntN(sum)
		i := slices.IndexFunc(s.actions, func(a *action) bool { n -= a.weight; return n < 0 })
		targets := s.actions[i].targets()
		if len(targets) == 0 {
			continue
		}
		if t := targets[s.rng.IntN(len(targets))]; !s.busy[t] {
			s.busy[t] = true
			return s.actions[i], t
		}
	}
	return nil, ""
}

func (s *storm) ended(a *action, target string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy[target] = false
	s.done[a.name]++
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("%s: %s: %w", a.name, target, err))
	}
}

// getOn waits until every key has another Ack.
func (s *storm) getOn(ctx context.Context) {
	before := s.rec.progress()
	deadline := time.Now().Add(getOn)
	for {
		stuck := ""
		for key, n := range s.rec.progress() {
			if n == before[key] {
				stuck = s.set.name(key)
			}
		}
		if stuck == "" {
			return
		}
		if time.Now().After(deadline) {
			s.rec.tell(func(c *history.Checker) {
				c.Note(history.Stalled, "%s got no Ack for %v, with nothing broken, up to %.1f s", stuck, getOn, s.rec.now().Seconds())
			})
			return
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return
		}
	}
}

func (s *storm) report() (list []figure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.actions {
		list = append(list, figure{a.name, s.done[a.name]})
	}
	return list
}
