//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// cutAll is the power loss of everything at one moment.
func (p *plant) cutAll(rep *report, torn *rand.Rand) error {
	rep.cuts++
	var g errgroup.Group
	for _, proc := range p.cluster.Processes() {
		g.Go(proc.Kill)
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.mounts)) {
		if err := p.forget(name, rep, torn); err != nil {
			return err
		}
	}
	return nil
}

// forget is the power loss of a disk that nobody uses.
func (p *plant) forget(name string, rep *report, torn *rand.Rand) error {
	f, err := p.mounts[name].Cut(torn)
	rep.forgotten.Bytes += f.Bytes
	rep.forgotten.Changes += f.Changes
	return err
}

// cutOne is the power loss of one NATS server, which comes back after a while. Meanwhile the others go on.
func (p *plant) cutOne(ctx context.Context, set *settings, rep *report, rng, torn *rand.Rand) error {
	rep.cuts++
	server := p.cluster.NATS[rng.IntN(len(p.cluster.NATS))]
	if err := server.Kill(); err != nil {
		return err
	}
	if err := p.forget(server.Name, rep, torn); err != nil {
		return err
	}
	if err := sleep(ctx, spell(rng, set.load)); err != nil {
		return err
	}
	return p.start(ctx)
}

// cutAnother kills one of three NATS servers, lets the others go on, then cuts the power of one of those and kills the last; the
// first two come back, and later the last. What was acknowledged meanwhile, only those two had.
func (p *plant) cutAnother(ctx context.Context, set *settings, rep *report, rng, torn *rand.Rand) error {
	rep.cuts++
	order := rng.Perm(len(p.cluster.NATS))
	behind, dark, last := p.cluster.NATS[order[0]], p.cluster.NATS[order[1]], p.cluster.NATS[order[2]]
	if err := behind.Kill(); err != nil {
		return err
	}
	// Without the leader that was killed nothing is written until there is another.
	if err := sleep(ctx, election+spell(rng, set.load)); err != nil {
		return err
	}
	if err := errors.Join(dark.Kill(), last.Kill(), p.forget(dark.Name, rep, torn)); err != nil {
		return err
	}
	if err := p.tidy(); err != nil {
		return err
	}
	var g errgroup.Group // none gets ready without the last
	for _, server := range []*cluster.Process{behind, dark} {
		g.Go(func() error { return server.Restart(ctx) })
	}
	err := sleep(ctx, election)
	if err == nil {
		err = last.Restart(ctx)
	}
	if err := errors.Join(err, g.Wait()); err != nil {
		return fmt.Errorf("start again: %w", err)
	}
	return nil
}

// election is how long NATS may take to find leaders.
const election = 10 * time.Second
