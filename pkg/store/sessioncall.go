package store

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// script is a call of note.lua with some notes.
type script struct {
	notes []sending
	reply *redis.Cmd
}

// call sends a batch in one pipeline. It may be repeated: note.lua knows a note that it has seen. There are no
// scripts when no call was made.
func (n *Sessions) call(ctx context.Context, batch []sending) (scripts []*script, err error) {
	err = n.store.breaker.do(ctx, repeat, func(ctx context.Context) error {
		scripts = scripts[:0]
		for notes := range slices.Chunk(batch, n.together) {
			scripts = append(scripts, &script{notes: notes})
		}
		n.send(ctx, scripts, noteScript.EvalSha)
		// A server that has just started does not know the script, and a pipeline does not try again by itself.
		var unknown []*script
		for _, s := range scripts {
			if redis.HasErrorPrefix(s.reply.Err(), "NOSCRIPT") {
				unknown = append(unknown, s)
			}
		}
		if len(unknown) > 0 {
			n.send(ctx, unknown, noteScript.Eval)
		}
		replies := make([]redis.Cmder, len(scripts))
		for i, s := range scripts {
			replies[i] = s.reply
		}
		return worst(replies)
	})
	return scripts, err
}

// send sends scripts; their errors are in the replies.
func (n *Sessions) send(ctx context.Context, scripts []*script,
	eval func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd) {
	now := time.Now()
	_, _ = n.store.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, s := range scripts {
			keys, args := make([]string, 0, len(s.notes)), make([]any, 0, noteFields*len(s.notes))
			for i := range s.notes {
				w := &s.notes[i].waiting
				keys = append(keys, sessionKey(w.User, w.ID))
				args = n.appendArgs(args, w, now)
			}
			s.reply = eval(ctx, p, keys, args...)
		}
		return nil
	})
}

// noteFields is how many arguments a note has.
const noteFields = 6

// appendArgs appends those of note.lua.
func (n *Sessions) appendArgs(args []any, w *waiting, now time.Time) []any {
	kind, ttl, state := "state", n.live(), w.State
	switch {
	case w.ended:
		kind, ttl = "end", n.ttl
	case w.touch:
		kind, state = "touch", nil
	}
	var age any = ""
	if !w.begun.IsZero() {
		age = now.Sub(w.begun).Microseconds()
	}
	return append(args, w.Holder, kind, w.n, ttl.Milliseconds(), age, state)
}
