//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// scenario is a kind of system and of power loss.
type scenario struct {
	name    string
	servers int // of NATS; 0: the embedded one
	always  bool
	one     bool // the power of one server fails, and not of all
	loses   bool // what was acknowledged must be missing afterwards
}

var scenarios = []scenario{
	{name: "embedded", loses: true},
	{name: "embedded, SYNC_ALWAYS", always: true},
	{name: "one server", servers: 1, loses: true},
	{name: "one server, sync_interval: always", servers: 1, always: true},
	{name: "three servers, all cut", servers: 3, loses: true},
	{name: "three servers, all cut, sync_interval: always", servers: 3, always: true},
	{name: "three servers, one cut", servers: 3, one: true},
	{name: "three servers, one cut, sync_interval: always", servers: 3, always: true, one: true},
}

// play starts the system, cuts its power under load again and again and compares.
func (s *scenario) play(ctx context.Context, set *settings, number uint64, log io.Writer) (rep *report, err error) {
	rng := rand.New(rand.NewPCG(set.seed, number))
	p, err := startPlant(ctx, set, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	rep = &report{scenario: *s}
	rec := newRecord()
	cuts := set.cuts
	if s.loses {
		cuts = 1
	}
	for i := range cuts {
		if err := s.cut(ctx, set, p, rec, rep, rng, i); err != nil {
			return nil, fmt.Errorf("cut %d: %w", i+1, err)
		}
		if err := check(ctx, p, rec, rep); err != nil {
			return nil, fmt.Errorf("after cut %d: %w", i+1, err)
		}
		fmt.Fprintf(log, "%s: cut %d: acked %d, lost %d; rooms %d, lost %d; %d KiB and %d names forgotten\n",
			s.name, i+1, rep.acked, rep.lost, rep.rooms, rep.lostRooms, rep.forgotten.Bytes>>10, rep.forgotten.Changes)
	}
	rep.syncs = p.syncs()
	return rep, nil
}

// cut writes for a while, cuts the power meanwhile, and returns when the system is there again.
func (s *scenario) cut(ctx context.Context, set *settings, p *plant, rec *record, rep *report, rng *rand.Rand, i int) error {
	stop := startLoad(ctx, set, p, rec, i)
	defer stop()
	if err := sleep(ctx, set.load/3+rand.N(set.load*2/3)); err != nil {
		return err
	}
	// Every other time some of what was not synced is on the disk nevertheless.
	torn := rng
	if i%2 == 0 {
		torn = nil
	}
	if !s.one {
		f, err := p.cutAll(ctx, torn)
		rep.add(f)
		stop()
		return errors.Join(err, p.start(ctx))
	}
	f, err := p.cutOne(rng.IntN(s.servers), torn)
	rep.add(f)
	if err != nil {
		return err
	}
	// Meanwhile the others go on.
	if err := sleep(ctx, rand.N(set.load)); err != nil {
		return err
	}
	return p.start(ctx)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
