package cluster

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// reports is what other goroutines have told of nodes that are not there, until Run takes
// it. Its size is bounded by the nodes that are alive: of others nothing is added.
type reports struct {
	every time.Duration // static: a node is told of once in this time, the rest is dropped
	come  chan struct{} // cap 1: there are new ones

	mu    sync.Mutex
	last  map[Ref]time.Time // guarded by mu: when a node was told of
	fresh map[Ref]struct{}  // guarded by mu: not yet taken
}

func newReports(every time.Duration) *reports {
	return &reports{
		every: every, come: make(chan struct{}, 1),
		last: map[Ref]time.Time{}, fresh: map[Ref]struct{}{},
	}
}

// add is for any goroutine. It waits for nothing but mu.
func (r *reports) add(ref Ref, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, told := r.last[ref]; told && now.Sub(at) < r.every {
		return
	}
	r.last[ref] = now
	r.fresh[ref] = struct{}{}
	select {
	case r.come <- struct{}{}:
	default: // Run has yet to take what came before
	}
}

// take gives what has come since the last time.
func (r *reports) take(now time.Time) []Ref {
	r.mu.Lock()
	defer r.mu.Unlock()
	refs := slices.Collect(maps.Keys(r.fresh))
	clear(r.fresh)
	maps.DeleteFunc(r.last, func(_ Ref, at time.Time) bool { return now.Sub(at) >= r.every })
	return refs
}
