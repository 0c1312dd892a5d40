package store

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

// cursor is how far a reader has come.
type cursor struct {
	newest, name string // number and name of the newest writing heard of; 0: none
	after        string // the number up to which all is read
	loading      bool   // all is being read
	whole        bool   // all up to newest is read
}

// Run loads what is revoked, asks for news every 400 ms, writes what could not be written, and tells. It returns nil
// when ctx is done, and may be run again when it panicked. The Store has to run as long.
func (r *Revocations) Run(ctx context.Context) error {
	r.swept = time.Now()
	r.look(ctx)
	select {
	case <-r.started: // Run failed, and was called again
	default:
		r.first.Do(func() { close(r.started) })
	}
	tick := time.NewTicker(revokedEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
			r.tell()
		case now := <-tick.C:
			r.look(ctx)
			r.sweep(now)
		}
	}
}

// look reads what is new and writes what is pending.
func (r *Revocations) look(ctx context.Context) {
	// While the breaker is open no call would be made, only counted as refused.
	if r.store.breaker.circuit.State() != gobreaker.StateOpen {
		if r.read(ctx) == nil { // the breaker has heard the error
			r.rewrite(ctx)
		}
	}
	r.tell()
}

// read reads page by page, unless there is nothing new.
func (r *Revocations) read(ctx context.Context) error {
	if r.cursor.whole {
		same, err := r.same(ctx)
		if err != nil || same {
			return err
		}
	}
	for {
		more, err := r.readPage(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// same reports whether the newest writing is the one that was read last: most of the time it is, and the embedded store makes a Lua
// interpreter for each script.
func (r *Revocations) same(ctx context.Context) (same bool, err error) {
	var top []redis.Z
	err = r.store.breaker.do(ctx, repeat, func(ctx context.Context) (err error) {
		top, err = r.store.client.ZRevRangeWithScores(ctx, revocationKeys[3], 0, 0).Result()
		return err
	})
	if err != nil {
		return false, err
	}
	newest, name := 0.0, ""
	if len(top) > 0 {
		newest, name = top[0].Score, top[0].Member.(string)
	}
	if known, _ := strconv.ParseFloat(r.cursor.newest, 64); newest != known || name != r.cursor.name {
		return false, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = time.Now()
	return true, nil
}

func (r *Revocations) readPage(ctx context.Context) (more bool, err error) {
	c := &r.cursor
	c.whole = false
	var reply []any
	err = r.store.breaker.do(ctx, repeat, func(ctx context.Context) (err error) {
		reply, err = revokedScript.Run(ctx, r.store.client, revocationKeys, c.newest, c.name, c.after, r.page).Slice()
		return err
	})
	if err != nil {
		return false, err
	}
	lost, newest, name, entries, err := revokedReply(reply)
	if err != nil {
		return false, err
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if lost {
		r.load++
		c.loading, c.after = true, "0"
	}
	c.newest, c.name = newest, name
	for entry := range slices.Chunk(entries, 3) {
		c.after, _ = entry[0].(string)
		who, _ := entry[1].(string)
		term, _ := entry[2].(string)
		v, err := parseRevocation(who, term)
		switch {
		case err != nil:
			r.store.metrics.reply.Inc() // not ours
		case now.Before(v.Until):
			r.learn(v, r.load)
			delete(r.pending, revoked{v.Kind, v.Name})
		}
	}
	if len(entries) == 3*r.page {
		return true, nil
	}
	r.heard = now
	c.whole = true
	if c.loading {
		c.loading = false
		r.store.metrics.revocationsLoaded.Inc()
		for _, key := range r.set.missing(r.load, now) {
			r.pending[key] = struct{}{}
		}
	}
	return false, nil
}

// revokedReply takes a reply of revoked.lua apart; the entries are three values each.
func revokedReply(reply []any) (lost bool, newest, name string, entries []any, err error) {
	if len(reply) != 4 {
		return false, "", "", nil, errReply
	}
	flag, isInt := reply[0].(int64)
	newest, isNumber := reply[1].(string)
	name, isName := reply[2].(string)
	entries, isList := reply[3].([]any)
	if _, err := strconv.ParseFloat(newest, 64); err != nil || !isInt || !isNumber || !isName || !isList || len(entries)%3 != 0 {
		return false, "", "", nil, errReply
	}
	return flag != 0, newest, name, entries, nil
}

// rewrite writes what Redis does not have, as far as was read.
func (r *Revocations) rewrite(ctx context.Context) {
	now := time.Now()
	var batch []Revocation
	r.mu.Lock()
	for key := range r.pending {
		if v, ok := r.set.get(key); ok && now.Before(v.Until) {
			batch = append(batch, v)
		} else {
			delete(r.pending, key)
		}
	}
	r.mu.Unlock()
	for some := range slices.Chunk(batch, revokedBatch) {
		refused, news, err := r.write(ctx, some)
		if err != nil {
			return
		}
		r.store.metrics.revocationsRetold.Add(float64(news))
		if refused > 0 { // they are in force here
			r.mu.Lock()
			for _, v := range some {
				delete(r.pending, revoked{v.Kind, v.Name})
			}
			r.mu.Unlock()
		}
	}
}

// write writes some, and returns how many of them were refused and how many Redis did not have. It may be repeated.
func (r *Revocations) write(ctx context.Context, batch []Revocation) (refused, news int64, err error) {
	args := []any{rand.Text(), r.most, revokedMarks, revokedMargin.Milliseconds()}
	for _, v := range batch {
		args = append(args, v.who(), v.At.UnixMilli(), v.Until.UnixMilli())
	}
	var reply []any
	err = r.store.breaker.do(ctx, repeat, func(ctx context.Context) (err error) {
		reply, err = revokeScript.Run(ctx, r.store.client, revocationKeys, args...).Slice()
		return err
	})
	if err == nil {
		refused, news, err = two[int64, int64](reply)
	}
	r.store.metrics.revocationsDropped.Add(float64(refused))
	return refused, news, err
}

// tell tells what is new, one by one: where told panics, those after it are told when Run runs again.
func (r *Revocations) tell() {
	for {
		r.mu.Lock()
		if len(r.fresh) == 0 {
			r.fresh = nil
			r.mu.Unlock()
			return
		}
		v := r.fresh[0]
		r.fresh = r.fresh[1:]
		r.mu.Unlock()
		if r.told != nil {
			r.told(v)
		}
	}
}

// sweep forgets what has expired.
func (r *Revocations) sweep(now time.Time) {
	if now.Sub(r.swept) < revokedSweep {
		return
	}
	r.swept = now
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set.expire(now)
	r.store.metrics.revocations.Set(float64(len(r.set.terms)))
}
