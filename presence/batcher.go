package presence

import (
	"context"

	"github.com/realtime-cluster/realtime/pkg/crew"
	"github.com/realtime-cluster/realtime/pkg/owner"
)

// batchMost is how many users one call asks for.
const batchMost = 200

// batcher asks Redis or JetStream about many users with few calls: what comes while one is under way goes together
// in the next. It is owned by a lane.
type batcher[V any] struct {
	lane   *owner.Lane
	crew   *crew.Crew
	call   func(ctx context.Context, users []string) (map[string]V, error)
	wanted []want[V]
	busy   bool
}

// want is a user who is asked about, and what to do with the answer.
type want[V any] struct {
	user string
	then func(V, error)
}

// ask has then called with what there is about a user, on the lane's goroutine.
func (b *batcher[V]) ask(user string, then func(V, error)) {
	b.wanted = append(b.wanted, want[V]{user, then})
	if !b.busy {
		b.busy = true
		b.lane.Do(b.next) // when what came with it has been dealt with
	}
}

func (b *batcher[V]) next() {
	n := min(len(b.wanted), batchMost)
	batch := b.wanted[:n:n]
	b.wanted = b.wanted[n:]
	b.busy = true
	users := make([]string, n)
	for i, w := range batch {
		users[i] = w.user
	}
	var found map[string]V
	b.crew.Work(b.lane, func(ctx context.Context) (err error) {
		found, err = b.call(ctx, users)
		return err
	}, func(err error) {
		for _, w := range batch {
			w.then(found[w.user], err) // where that is away, what is known all the same
		}
		if b.busy = len(b.wanted) > 0; b.busy {
			b.next()
		}
	})
}
