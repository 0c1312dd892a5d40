package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// What becomes of a note, besides errors.
const (
	outcomeNoted   = "noted"   // it is written, or an earlier call has written it
	outcomeLost    = "lost"    // another holder has the session
	outcomeGone    = "gone"    // a touch of a session that is not there
	outcomeForeign = "foreign" // a key of another kind is in the way
)

// call writes a batch in one pipeline, and returns what became of each note: empty where Redis is away. It may be repeated:
// note.lua knows a note that it has seen.
func (n *Sessions) call(ctx context.Context, batch []sending) (outcomes []string, err error) {
	outcomes = make([]string, len(batch))
	if n.memory != nil {
		now := time.Now()
		for i := range batch {
			outcomes[i] = n.memory.note(&batch[i].waiting, n.ttlOf(&batch[i].waiting), now)
		}
		return outcomes, nil
	}
	replies := make([]*redis.Cmd, len(batch))
	err = n.store.breaker.do(ctx, repeat, func(ctx context.Context) error {
		all := make([]int, len(batch))
		for i := range all {
			all[i] = i
		}
		n.send(ctx, batch, all, replies, noteScript.EvalSha)
		// A server that has just started does not know the script, and a pipeline does not try again by itself.
		var unknown []int
		for i, r := range replies {
			if redis.HasErrorPrefix(r.Err(), "NOSCRIPT") {
				unknown = append(unknown, i)
			}
		}
		if len(unknown) > 0 {
			n.send(ctx, batch, unknown, replies, noteScript.Eval)
		}
		errs := make([]redis.Cmder, len(replies))
		for i, r := range replies {
			errs[i] = r
		}
		return worst(errs)
	})
	for i, r := range replies {
		if r == nil { // no call was made
			continue
		}
		outcome, e := r.Text()
		switch {
		case e == nil:
			outcomes[i] = outcome
		case !away(e):
			outcomes[i] = outcomeForeign // a script that failed would do so for ever
		}
	}
	return outcomes, err
}

// send sends some notes of a batch; what Redis says, errors included, is in the replies.
func (n *Sessions) send(ctx context.Context, batch []sending, which []int, replies []*redis.Cmd,
	eval func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd) {
	now := time.Now()
	_, _ = n.store.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, i := range which {
			w := &batch[i].waiting
			replies[i] = eval(ctx, p, []string{sessionKey(w.User, w.ID)}, n.args(w, now)...)
		}
		return nil
	})
}

// args are those of note.lua.
func (n *Sessions) args(w *waiting, now time.Time) []any {
	kind, state := "state", w.State
	switch {
	case w.ended:
		kind = "end"
	case w.touch:
		kind, state = "touch", nil
	}
	var age any = ""
	if !w.begun.IsZero() {
		age = now.Sub(w.begun).Microseconds()
	}
	return []any{w.Holder, kind, w.n, n.ttlOf(w).Milliseconds(), age, state}
}

// ttlOf is how long a record outlives a note.
func (n *Sessions) ttlOf(w *waiting) time.Duration {
	if w.ended {
		return n.ttl
	}
	return n.live()
}
