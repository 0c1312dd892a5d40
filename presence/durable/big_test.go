package durable

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// crowd fills a room that exists with members, faster than one by one: nobody else knows it yet.
func crowd(tb testing.TB, r *Rooms, room *Room, n int) {
	tb.Helper()
	js, err := jetstream.New(r.conn, jetstream.WithPublishAsyncMaxPending(1000))
	stall := jetstream.WithStallWait(10 * time.Second)
	if err != nil {
		tb.Fatal(err)
	}
	if room.Members == nil {
		room.Members = make(map[string]Member)
	}
	for i := range n {
		user, m := fmt.Sprintf("user %d@example.org", i), Member{Joined: i%10 > 0, Version: uint64(i)}
		if _, err := js.PublishAsync(roomSubject(room.Name)+memberTail+natskey.Escape(user), encode(memberOf(m)), stall); err != nil {
			tb.Fatal(err)
		}
		room.Members[user] = m
	}
	<-js.PublishAsyncComplete()
}

func TestBig(t *testing.T) {
	r, ctx := single(t), t.Context()
	for _, n := range []int{jsstream.MaxLast - 3, jsstream.MaxLast - 2, jsstream.MaxLast - 1, pageKeys - 2, pageKeys - 1, 20_000} {
		room := Room{Name: fmt.Sprint("r", n), Owner: "alice"}
		ok(t, r.Create(ctx, &room))
		crowd(t, r, &room, n)
		start := time.Now()
		rev := want(t, r, room)
		took := time.Since(start)
		t.Logf("%d members in %v", n, took)
		if took > 5*time.Second { // a tenth of a second is usual
			t.Errorf("%d members took %v to load", n, took)
		}
		rev, err := r.Put(ctx, room.Name, rev, "user 5@example.org", Member{Version: 1e6})
		ok(t, err)
		rev, err = r.Drop(ctx, room.Name, rev, "user 7@example.org")
		ok(t, err)
		rev = crash(t, r, room.Name, rev, "user 9@example.org", nil)
		room.Members["user 5@example.org"] = Member{Version: 1e6}
		delete(room.Members, "user 7@example.org")
		delete(room.Members, "user 9@example.org")
		if got := want(t, r, room); got != rev {
			t.Errorf("revision %d, want %d", got, rev)
		}
	}
	room, err := r.Load(ctx, "r20000")
	ok(t, err)
	start := time.Now()
	ok(t, r.Delete(ctx, room.Name, room.Revision))
	t.Logf("deleted in %v", time.Since(start))
	again := Room{Name: room.Name, Owner: "alice"}
	ok(t, r.Create(ctx, &again))
	want(t, r, again)
}

// TestBigCluster loads a big room from every server of a cluster while its owner changes it: what is
// loaded was true at its revision.
func TestBigCluster(t *testing.T) {
	c := streamtest.Start(t, 3)
	owner := clustered(t, c)
	room := Room{Name: "r", Owner: "alice"}
	ok(t, owner.Create(t.Context(), &room))
	const n = 10_000
	crowd(t, owner, &room, n)
	loaded, err := owner.Load(t.Context(), "r")
	ok(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	states := map[uint64]map[string]Member{loaded.Revision: maps.Clone(loaded.Members)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			user := fmt.Sprintf("user %d@example.org", i*7919%n)
			var err error
			var next uint64
			if i%3 == 0 {
				next, err = owner.Drop(t.Context(), "r", loaded.Revision, user)
				delete(loaded.Members, user)
			} else {
				next, err = owner.Put(t.Context(), "r", loaded.Revision, user, Member{Version: uint64(n + i)})
				loaded.Members[user] = Member{Version: uint64(n + i)}
			}
			if err != nil {
				t.Error(err)
				return
			}
			loaded.Revision = next
			states[next] = maps.Clone(loaded.Members)
			time.Sleep(100 * time.Millisecond)
		}
	}()
	type result struct {
		revision uint64
		members  map[string]Member
	}
	var results []result
	for range 4 {
		reader := on(t, c.Connect(t))
		for range 3 {
			got, err := reader.Load(t.Context(), "r")
			ok(t, err)
			results = append(results, result{got.Revision, got.Members})
		}
	}
	cancel()
	<-done
	for _, got := range results {
		if state, known := states[got.revision]; !known || !maps.Equal(state, got.members) {
			t.Errorf("loaded %d members at %d: %d were in it", len(got.members), got.revision, len(state))
		}
	}
	t.Logf("%d changes during %d loads", len(states)-1, len(results))
}
