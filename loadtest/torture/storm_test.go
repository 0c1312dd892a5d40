package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
	"github.com/realtime-cluster/realtime/loadtest/client"
)

// drill is a storm whose actions do nothing but take time.
func drill(t *testing.T, do func(ctx context.Context, rng *rand.Rand, target string) error) *storm {
	t.Helper()
	set := &settings{seed: 3, topics: 1, writers: 1, readers: 1}
	rec := newRecorder(set, t.Output())
	s := &storm{
		set: set, rec: rec, log: t.Output(), rng: rand.New(rand.NewPCG(3, 1)),
		busy: make(map[string]bool), done: make(map[string]int),
	}
	for _, name := range []string{"one", "two"} {
		s.actions = append(s.actions, &action{name, 1, func() []string { return []string{"a", "b", "c"} }, do})
	}
	return s
}

// progress acks a message now and then, until ctx ends.
func progress(ctx context.Context, rec *recorder) {
	for n := uint32(0); sleep(ctx, 100*time.Millisecond); n++ {
		m := history.Message{N: n}
		rec.sending(m, 0)
		rec.ack(m, 0, client.Ack{MessageID: idOf(m), Topic: rec.set.name(0), Status: "stored", Offset: int64(n + 1), Epoch: "e"}, 1)
	}
}

func TestAStormMendsWhatItBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		at := make(map[string]int)
		var most, now, done atomic.Int64
		s := drill(t, func(ctx context.Context, rng *rand.Rand, target string) error {
			mu.Lock()
			if at[target]++; at[target] > 1 {
				t.Errorf("two actions at once at %s", target)
			}
			mu.Unlock()
			most.Store(max(most.Load(), now.Add(1)))
			if !sleep(ctx, between(rng, time.Second, 8*time.Second)) {
				t.Error("an action was cut short")
			}
			now.Add(-1)
			done.Add(1)
			mu.Lock()
			at[target]--
			mu.Unlock()
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		go progress(ctx, s.rec)
		if err := s.run(ctx); err != nil {
			t.Error(err)
		}
		sum := 0
		for _, f := range s.report() {
			sum += f.n
		}
		if now.Load() != 0 || most.Load() < 2 || sum < 20 || sum != int(done.Load()) || s.rec.checker.Found() > 0 {
			t.Errorf("%d under way, %d at most, %d reported, %d done, %d violations", now.Load(), most.Load(), sum, done.Load(), s.rec.checker.Found())
		}
		synctest.Wait()
	})
}

func TestAStormEndsWhenAnActionFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := drill(t, func(context.Context, *rand.Rand, string) error { return errors.New("it did not come back") })
		err := s.run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "did not come back") {
			t.Errorf("error %v", err)
		}
	})
}

func TestAStormTellsOfWhatDoesNotGetOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := drill(t, func(context.Context, *rand.Rand, string) error { return nil })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		if err := s.run(ctx); err != nil {
			t.Error(err)
		}
		if v := s.rec.checker.Check(); v.Found[history.Stalled] == 0 {
			t.Errorf("found %v", v.Found)
		}
	})
}
