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
	cut     kind
	want    outcome
}

// outcome says what a power loss may do to what was acknowledged.
type outcome int

const (
	keeps   outcome = iota // nothing
	loses                  // some of it must be missing, else this program would notice nothing
	mayLose                // nothing is promised
)

// kind is what fails.
type kind int

const (
	everything kind = iota // the power of all, at one moment
	one                    // the power of one server; the others go on
	another                // the power of one server while another one is behind and the third one crashes
)

var scenarios = []scenario{
	{name: "embedded", want: loses},
	{name: "embedded, SYNC_ALWAYS", always: true},
	{name: "one server", servers: 1, want: loses},
	{name: "one server, always", servers: 1, always: true},
	{name: "three servers, all cut", servers: 3, want: loses},
	{name: "three servers, all cut, always", servers: 3, always: true},
	{name: "three servers, one cut", servers: 3, cut: one},
	{name: "three servers, one cut, always", servers: 3, always: true, cut: one},
	{name: "three servers, one cut, two crash", servers: 3, cut: another, want: mayLose},
	{name: "three servers, one cut, two crash, always", servers: 3, always: true, cut: another},
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
	if s.want != keeps {
		cuts = 1
	}
	for i := range cuts {
		if err := s.cutUnderLoad(ctx, set, p, rec, rep, rng, i); err != nil {
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

// cutUnderLoad writes for a while, cuts the power meanwhile, and returns when the system is there again.
func (s *scenario) cutUnderLoad(ctx context.Context, set *settings, p *plant, rec *record, rep *report, rng *rand.Rand, i int) error {
	stop := startLoad(ctx, set, p, rec, i)
	defer stop()
	if err := sleep(ctx, set.load/3+spell(rng, set.load*2/3)); err != nil {
		return err
	}
	// Every other time some of what was not synced is on the disk nevertheless.
	torn := rng
	if i%2 == 0 {
		torn = nil
	}
	switch s.cut {
	case one:
		return p.cutOne(ctx, set, rep, rng, torn)
	case another:
		return p.cutAnother(ctx, set, rep, rng, torn)
	}
	err := p.cutAll(rep, torn)
	stop()
	return errors.Join(err, p.start(ctx))
}

// spell is a random duration.
func spell(rng *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(most)))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
