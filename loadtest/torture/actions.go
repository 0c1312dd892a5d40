package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/proxy"
)

// aNATS is the key of all NATS servers: one at most is away. aRoll is that of rolling all roles, aRouter that of deposing a
// router, which takes others that are left.
const (
	aNATS   = "a NATS server"
	aRoll   = "all roles"
	aRouter = "one of the routers"
)

var (
	nodes  = []cluster.Role{cluster.Gateway, cluster.Router, cluster.Presence}
	titles = map[cluster.Role]string{cluster.Gateway: "gateway", cluster.Router: "router", cluster.Presence: "presence node"}
)

// all lists the actions.
func (s *storm) all() []*action {
	var list []*action
	for _, role := range nodes {
		list = append(list,
			&action{"kill -9 of a " + titles[role], 6, s.names(role), s.kill},
			&action{"SIGSTOP of a " + titles[role], 4, s.names(role), s.pause})
	}
	nats := func() []string { return []string{aNATS} }
	redis := s.names(cluster.Redis)
	return append(list,
		&action{"kill -9 of a NATS server", 3, nats, s.kill},
		&action{"kill -9 of the NATS server that leads a history stream", 3, nats, s.killLeader},
		&action{"SIGSTOP of a NATS server", 3, nats, s.pause},
		&action{"kill -9 of Redis", 3, redis, s.kill},
		&action{"SIGSTOP of Redis", 2, redis, s.pause},
		&action{"links of a process to NATS reset", 4, s.names(nodes...), s.reset},
		&action{"links of a process to NATS held up", 5, s.names(nodes...), s.hold},
		&action{"links of a router to NATS held up until others own what it did", 2, func() []string { return []string{aRouter} }, s.depose},
		&action{"links of a process to NATS down", 4, s.names(nodes...), s.refuse},
		&action{"link of a process to Redis reset, held up or down", 4, s.names(cluster.Gateway, cluster.Presence), s.redis},
		&action{"SIGTERM of a process, which starts again some seconds later", 3, s.names(nodes...), s.absent},
		&action{"roll of all roles, one process after another", 3, func() []string { return []string{aRoll} }, s.roll},
	)
}

// names lists the processes of roles.
func (s *storm) names(roles ...cluster.Role) func() []string {
	return func() (list []string) {
		for _, role := range roles {
			for _, p := range s.processes(role) {
				list = append(list, p.Name)
			}
		}
		return list
	}
}

func (s *storm) processes(role cluster.Role) []*cluster.Process {
	switch role {
	case cluster.Gateway:
		return s.cluster.Gateways
	case cluster.Router:
		return s.cluster.Routers
	case cluster.Presence:
		return s.cluster.Presences
	case cluster.NATS:
		return s.cluster.NATS
	}
	return []*cluster.Process{s.cluster.Redis}
}

// process finds a target.
func (s *storm) process(rng *rand.Rand, target string) *cluster.Process {
	if target == aNATS {
		return s.cluster.NATS[rng.IntN(len(s.cluster.NATS))]
	}
	for _, p := range s.cluster.Processes() {
		if p.Name == target {
			return p
		}
	}
	panic("no process " + target)
}

// kill kills a process and starts it again, at once or after a while.
func (s *storm) kill(ctx context.Context, rng *rand.Rand, target string) error {
	return s.killed(ctx, rng, s.process(rng, target))
}

func (s *storm) killed(ctx context.Context, rng *rand.Rand, p *cluster.Process) error {
	if err := p.Kill(); err != nil {
		return fmt.Errorf("it had ended by itself: %w\n%s", err, p.LogTail())
	}
	if rng.IntN(2) == 0 {
		sleep(ctx, between(rng, 0, 6*time.Second))
	}
	return p.Restart(ctx)
}

// killLeader kills the NATS server without which nothing is written to some of the topics.
func (s *storm) killLeader(ctx context.Context, rng *rand.Rand, _ string) error {
	p, err := s.cluster.StreamLeader(ctx, fmt.Sprintf("rt_history_torture_%d", rng.IntN(8)))
	if err != nil {
		p = s.process(rng, aNATS)
	}
	return s.killed(ctx, rng, p)
}

// pause stops a process for a time in which it may be taken for dead, or not.
func (s *storm) pause(ctx context.Context, rng *rand.Rand, target string) error {
	p := s.process(rng, target)
	if err := p.Pause(); err != nil {
		return fmt.Errorf("it had ended by itself: %w\n%s", err, p.LogTail())
	}
	sleep(ctx, between(rng, time.Second, 8*time.Second))
	if err := p.Resume(); err != nil {
		return err
	}
	return ready(ctx, p)
}

// ready waits until a process is.
func ready(ctx context.Context, p *cluster.Process) error {
	for {
		err := p.Ready(ctx)
		if err == nil {
			return nil
		}
		if !p.Running() {
			return fmt.Errorf("it ended by itself\n%s", p.LogTail())
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("it is not ready: %w\n%s", err, p.LogTail())
		}
	}
}

// cut is the NATS links of a process, all of them or one.
func (s *storm) cut(rng *rand.Rand, target string) []*proxy.Proxy {
	links := s.process(rng, target).Links.NATS
	if rng.IntN(2) == 0 {
		i := rng.IntN(len(links))
		return links[i : i+1]
	}
	return links
}

func (s *storm) reset(ctx context.Context, rng *rand.Rand, target string) error {
	for range 1 + rng.IntN(3) {
		for _, l := range s.cut(rng, target) {
			l.Reset()
		}
		sleep(ctx, between(rng, 0, 500*time.Millisecond))
	}
	return ready(ctx, s.process(rng, target))
}

// hold holds up what goes over links. What was held up gets there late, or never.
func (s *storm) hold(ctx context.Context, rng *rand.Rand, target string) error {
	held(ctx, rng, s.cut(rng, target))
	return ready(ctx, s.process(rng, target))
}

func held(ctx context.Context, rng *rand.Rand, links []*proxy.Proxy) {
	stall(ctx, links, between(rng, time.Second, 5*time.Second), rng.IntN(2) == 0)
}

// stall holds up what goes over links for a while. Reset says that it never gets there.
func stall(ctx context.Context, links []*proxy.Proxy, d time.Duration, reset bool) {
	for _, l := range links {
		l.Pause()
	}
	sleep(ctx, d)
	if reset {
		for _, l := range links {
			l.Reset()
		}
	}
	for _, l := range links {
		l.Resume()
	}
}

// depose holds up what a router writes until others have taken over from it. What it wrote gets there then.
func (s *storm) depose(ctx context.Context, rng *rand.Rand, _ string) error {
	p := s.cluster.Routers[rng.IntN(len(s.cluster.Routers))]
	if !s.claim(ctx, p.Name) {
		return errors.New("no turn in time")
	}
	defer s.release(p.Name)
	stall(ctx, p.Links.NATS, between(rng, 4*time.Second, 7*time.Second), false)
	return ready(ctx, p)
}

// refuse cuts links and lets no new ones be.
func (s *storm) refuse(ctx context.Context, rng *rand.Rand, target string) error {
	refused(ctx, rng, s.cut(rng, target))
	return ready(ctx, s.process(rng, target))
}

func refused(ctx context.Context, rng *rand.Rand, links []*proxy.Proxy) {
	for _, l := range links {
		l.Refuse(true)
		l.Reset()
	}
	sleep(ctx, between(rng, time.Second, 5*time.Second))
	for _, l := range links {
		l.Refuse(false)
	}
}

func (s *storm) redis(ctx context.Context, rng *rand.Rand, target string) error {
	p := s.process(rng, target)
	links := []*proxy.Proxy{p.Links.Redis}
	switch rng.IntN(3) {
	case 0:
		p.Links.Redis.Reset()
	case 1:
		held(ctx, rng, links)
	case 2:
		refused(ctx, rng, links)
	}
	return ready(ctx, p)
}

// absent is roll of one process that takes longer.
func (s *storm) absent(ctx context.Context, rng *rand.Rand, target string) error {
	p := s.process(rng, target)
	if err := stopped(ctx, p); err != nil {
		return err
	}
	sleep(ctx, between(rng, time.Second, 6*time.Second))
	return p.Restart(ctx)
}

// roll stops and starts every process of every role, as a deployment of a new version does.
func (s *storm) roll(ctx context.Context, rng *rand.Rand, _ string) error {
	for _, i := range rng.Perm(len(nodes)) {
		for _, p := range s.processes(nodes[i]) {
			if !s.claim(ctx, p.Name) {
				return errors.New("no turn in time")
			}
			err := stopped(ctx, p)
			if err == nil {
				err = p.Restart(ctx)
			}
			s.release(p.Name)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// stopped ends a process by SIGTERM.
func stopped(ctx context.Context, p *cluster.Process) error {
	stop, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	code, err := p.Stop(stop)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("%s ended with exit code %d\n%s", p.Name, code, p.LogTail())
	}
	return nil
}

// claim waits until a process is not busy, and makes it so.
func (s *storm) claim(ctx context.Context, name string) bool {
	for {
		s.mu.Lock()
		free := !s.busy[name]
		if free {
			s.busy[name] = true
		}
		s.mu.Unlock()
		if free {
			return true
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return false
		}
	}
}

func (s *storm) release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy[name] = false
}
