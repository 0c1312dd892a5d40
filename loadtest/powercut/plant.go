//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/powercut/mount"
)

// plant is a running system whose data is on disks that can lose their power.
type plant struct {
	dir     string
	mounts  map[string]*mount.Mount // by process
	cluster *cluster.Cluster
}

const rules = `history:
  - name: powercut
    topics: ["t.>"]
    rooms: ["t.>"]
    size: 1000000
    age: 1h
`

// spec of the system of a scenario.
func (s *scenario) spec(set *settings) cluster.Spec {
	spec := cluster.Spec{
		NATS: s.servers, All: 1, Settings: rules, LogDir: set.logs,
		Env: []string{"RATE_LIMIT_ENABLED=false", "MAX_ROOMS=100000"},
	}
	switch {
	case s.always && s.servers == 0:
		spec.Env = append(spec.Env, "SYNC_ALWAYS=true")
	case s.always:
		spec.NATSConfig = "jetstream { sync_interval: always }\n"
	}
	return spec
}

// disks names the processes that have data.
func (s *scenario) disks() []string {
	if s.servers == 0 {
		return []string{"all-1"}
	}
	var names []string
	for i := range s.servers {
		names = append(names, fmt.Sprintf("nats-%d", i+1))
	}
	return names
}

func startPlant(ctx context.Context, set *settings, s *scenario) (p *plant, err error) {
	p = &plant{mounts: map[string]*mount.Mount{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.dir, err = os.MkdirTemp(set.dir, "powercut-"); err != nil {
		return p, err
	}
	for _, name := range s.disks() {
		m, err := mount.New(filepath.Join(p.dir, name))
		if err != nil {
			return p, err
		}
		p.mounts[name] = m
	}
	spec := s.spec(set)
	spec.Data = func(process string) string {
		if m := p.mounts[process]; m != nil {
			return m.Dir
		}
		return filepath.Join(p.dir, process)
	}
	p.cluster, err = cluster.Start(ctx, spec)
	return p, err
}

// start starts what does not run and waits until all is ready.
func (p *plant) start(ctx context.Context) error {
	if err := p.tidy(); err != nil {
		return err
	}
	var g errgroup.Group
	for _, proc := range p.cluster.Processes() {
		if !proc.Running() {
			g.Go(func() error { return proc.Restart(ctx) })
		}
	}
	return g.Wait()
}

// tidy removes the file with which NATS tries at its start whether it can write, and which a power loss may leave
// behind: NATS takes it for an account, and its /healthz is never well again. It harms nothing else.
func (p *plant) tidy() error {
	for _, m := range p.mounts {
		files, err := filepath.Glob(filepath.Join(m.Dir, "jetstream", "_test_*"))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *plant) syncs() int {
	n := 0
	for _, m := range p.mounts {
		n += m.Syncs()
	}
	return n
}

func (p *plant) close() error {
	var errs []error
	if p.cluster != nil {
		errs = append(errs, p.cluster.Close())
	}
	for _, m := range p.mounts {
		errs = append(errs, m.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return err // what is mounted must not be removed
	}
	return os.RemoveAll(p.dir)
}
