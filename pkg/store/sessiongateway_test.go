package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// gateway is a Sessions as one process has it, and what it was told.
type gateway struct {
	*Sessions
	mu   sync.Mutex
	told []loss // guarded by mu
}

func newGateway(s opened, ttl time.Duration) *gateway {
	g := new(gateway)
	g.Sessions = NewSessions(s.Store, ttl, func(id, holder string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.told = append(g.told, loss{id, holder})
	})
	return g
}

// run runs g until stop is called, which returns when it has ended; the test's end calls it, too.
func (g *gateway) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// write does what Run does now and then.
func (g *gateway) write(t testing.TB) {
	t.Helper()
	if err := g.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.tell()
	if got := g.waits(); got != 0 {
		t.Fatalf("%d notes wait after a flush", got)
	}
}

// waits is how many notes wait; it checks that they are counted right.
func (g *gateway) waits() int {
	g.Sessions.mu.Lock()
	defer g.Sessions.mu.Unlock()
	notes, bytes := 0, 0
	for _, w := range g.pending {
		for ; w != nil; w = w.next {
			notes++
			bytes += len(w.State)
		}
	}
	if notes != g.notes || bytes != g.bytes {
		panic(fmt.Sprintf("%d notes of %d bytes wait, counted %d of %d", notes, bytes, g.notes, g.bytes))
	}
	return notes
}

// hears returns what g was told since it was last asked: ID/holder.
func (g *gateway) hears() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, l := range g.told {
		all = append(all, l.id+"/"+l.holder)
	}
	g.told = nil
	return strings.Join(all, " ")
}

func (g *gateway) wantHears(t *testing.T, want string) {
	t.Helper()
	if got := g.hears(); got != want {
		t.Fatalf("told of %q as lost, want %q", got, want)
	}
}

func (g *gateway) wantTake(t *testing.T, id, user, holder, former, state string) {
	t.Helper()
	got, err := g.Take(t.Context(), id, user, holder)
	if err != nil || got.ID != id || got.User != user || got.Holder != former || string(got.State) != state {
		t.Fatalf("%s took %q of %q from %q with %q, %v, want from %q with %q", holder, id, user, got.Holder, got.State, err, former, state)
	}
}

func (g *gateway) wantNone(t *testing.T, id, user string) {
	t.Helper()
	if got, err := g.Take(t.Context(), id, user, "x"); !errors.Is(err, ErrNoSession) {
		t.Fatalf("took %q of %q: %+v, %v, want none", id, user, got, err)
	}
}

// session is one of a user who has the same name.
func session(id, holder, state string) Session {
	return Session{ID: id, User: id, Holder: holder, State: []byte(state)}
}
