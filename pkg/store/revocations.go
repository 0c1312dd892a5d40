package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	revokedEvery = 400 * time.Millisecond // Run asks so often
	revokedLate  = 2 * time.Second        // nothing heard for so long is unhealthy
	revokedSweep = time.Minute            // what has expired is forgotten so often

	revocationsMost = 100_000 // in Redis; in memory twice as many, after two histories of a Redis that failed over
	revokedMarks    = 4096    // writings that a reader may be behind without reading all again
	revokedPage     = 500     // entries of one call
	revokedBatch    = 100     // entries of one writing

	// revokedMargin is how far the clocks of Redis and of this process may be apart: for so long Redis knows longer
	// what has expired.
	revokedMargin = 5 * time.Minute
)

// Revocations is what is revoked, known to every process and asked without I/O. It is safe for concurrent use. A
// Store has at most one Revocations.
//
// Redis numbers each writing and gives it a random name. A reader reads on after the number it has come to, and tells
// the name of the newest writing it has heard of: where Redis does not have that any more, it was restarted without
// its data, or failed over to a replica that did not have it yet, and numbers may have been given twice. Then the
// reader reads all, and writes what it knew and Redis has lost. What it wrote itself counts as known to Redis once it
// has read it: an acknowledged writing may be lost in a failover as well. No clock is part of that.
//
// While Redis is away, what is known stays in force, and what comes new is had when it is back. A process that has
// not heard from Redis since its start knows of none: it lets tokens in, and ends their connections when it hears.
type Revocations struct {
	store   *Store           // static
	keep    time.Duration    // static: life of a revocation without an end
	most    int              // static: revocationsMost
	page    int              // static: revokedPage
	told    func(Revocation) // set before Run; nil: nobody wants to know
	started chan struct{}    // closed by first, after Run's first try to load
	first   sync.Once
	wake    chan struct{} // of size 1: there is something to tell

	cursor cursor    // owned by Run
	swept  time.Time // owned by Run

	mu      sync.RWMutex
	set     revocationSet        // guarded by mu
	fresh   []Revocation         // guarded by mu: not told yet; as many as there is news while told works
	pending map[revoked]struct{} // guarded by mu: in set, and not read yet: written, or to be written
	load    uint64               // guarded by mu: which load is, or was the latest, from 1 on
	heard   time.Time            // guarded by mu: when Redis last told all; zero: never
}

// NewRevocations returns those in s. keep is for how long one is remembered that does not say: the longest life of a
// token.
func NewRevocations(s *Store, keep time.Duration) *Revocations {
	return &Revocations{
		store: s, keep: keep + revokedMargin, most: revocationsMost, page: revokedPage,
		started: make(chan struct{}), wake: make(chan struct{}, 1),
		set: newRevocationSet(2 * revocationsMost), pending: make(map[revoked]struct{}), load: 1,
		cursor: cursor{newest: "0", after: "0", loading: true},
	}
}

// Notify has told called, by Run, for each revocation that is new here: those that were there at the start, those
// that this process revokes, and those that are given a later time. It must be called before Run.
func (r *Revocations) Notify(told func(Revocation)) { r.told = told }

// Started is closed when Run has tried to load what is revoked, whether or not Redis answered.
func (r *Revocations) Started() <-chan struct{} { return r.started }

// Check returns ErrRevoked, or nil, of a token of user, with an ID and a family, empty where it has none, whose user
// signed in at since: auth.Claims.Since. It does not block.
func (r *Revocations) Check(user, id, family string, since time.Time) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.set.voids(user, id, family, since, time.Now()) {
		return ErrRevoked
	}
	return nil
}

// Revoke has every process know v, within a second, and this one at once. What was revoked stays so: a second
// revocation of the same adds to the first. Errors wrap ErrRevocation, ErrRevocationsFull or ErrUnavailable, in which
// case it may be revoked nevertheless and can be tried again, or are ctx's own.
func (r *Revocations) Revoke(ctx context.Context, v Revocation) error {
	v, err := v.complete(time.Now(), r.keep)
	if err != nil {
		return err
	}
	refused, _, err := r.write(ctx, []Revocation{v})
	switch {
	case err != nil:
		return fmt.Errorf("revoke: %w", err)
	case refused > 0:
		return ErrRevocationsFull
	}
	r.own(v)
	return nil
}

// later revokes v here at once and elsewhere when Redis is back.
func (r *Revocations) later(v Revocation) {
	v, err := v.complete(time.Now(), r.keep)
	if err != nil {
		return
	}
	r.own(v)
}

// own takes in what this process revokes. Until it is read, it may have to be written again.
func (r *Revocations) own(v Revocation) {
	key := revoked{v.Kind, v.Name}
	r.mu.Lock()
	news, ok := r.learn(v, 0)
	if ok && (news || r.set.terms[key].load < r.load) {
		r.pending[key] = struct{}{}
	}
	r.mu.Unlock()
	r.poke()
}

// learn takes v in, and notes it to be told if it is news. mu is held.
func (r *Revocations) learn(v Revocation, load uint64) (news, ok bool) {
	m := r.store.metrics
	news, ok = r.set.add(v, load)
	switch {
	case !ok:
		m.revocationsDropped.Inc()
	case news:
		r.fresh = append(r.fresh, v)
		m.revocationsSeen.WithLabelValues(string(v.Kind)).Inc()
		m.revocations.Set(float64(len(r.set.terms)))
	}
	return news, ok
}

// poke has Run tell what is new.
func (r *Revocations) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Health is nil, or says for how long nothing was heard from Redis. It does not block.
func (r *Revocations) Health() error {
	r.mu.RLock()
	heard := r.heard
	r.mu.RUnlock()
	silent := time.Since(heard)
	cause := r.store.Health()
	if cause == nil {
		cause = errors.New("no answer")
	}
	switch {
	case heard.IsZero():
		return fmt.Errorf("not loaded: %w", cause)
	case silent > revokedLate:
		return fmt.Errorf("nothing new for %v: %w", silent.Round(time.Second), cause)
	}
	return nil
}
