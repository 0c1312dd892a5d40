package durable

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

// ready waits until the bucket of a new cluster can be written.
func ready(tb testing.TB, r *Rooms) {
	tb.Helper()
	var err error
	streamtest.Eventually(tb, 20*time.Second, "a writable bucket", func() bool {
		err = r.AddUserRoom(tb.Context(), "somebody", "some room")
		return err == nil
	})
}

// clustered makes Rooms over a cluster.
func clustered(tb testing.TB, c *streamtest.Cluster) *Rooms {
	tb.Helper()
	r := on(tb, c.Connect(tb))
	ready(tb, r)
	return r
}

// TestReplicas: three of three servers, or else one.
func TestReplicas(t *testing.T) {
	placed := func(t *testing.T, nc *nats.Conn, n int, patience time.Duration) {
		t.Helper()
		core, logs := observer.New(zapcore.InfoLevel)
		r, err := New(Config{Conn: nc, Log: zap.New(core), Timeout: 5 * time.Second})
		ok(t, err)
		r.opener = newOpener(r.js, 0, patience, zap.New(core))
		ready(t, r)
		if got := r.opener.Stream().CachedInfo().Config.Replicas; got != n {
			t.Errorf("%d replicas, want %d", got, n)
		}
		if logs.Len() != 1 {
			t.Errorf("logged %v, want one line", logs.All())
		}
		// The next one finds it as it is.
		other, err := New(Config{Conn: nc, Replicas: 2, Timeout: 5 * time.Second})
		ok(t, err)
		ready(t, other)
		if got := other.opener.Stream().CachedInfo().Config.Replicas; got != n {
			t.Errorf("%d replicas found, want %d", got, n)
		}
	}
	t.Run("embedded", func(t *testing.T) {
		nc, _ := streamtest.Embedded(t)
		placed(t, nc, 1, time.Hour)
	})
	t.Run("two servers", func(t *testing.T) {
		placed(t, streamtest.Start(t, 2).Connect(t), 1, 500*time.Millisecond)
	})
	t.Run("three servers", func(t *testing.T) {
		placed(t, streamtest.Start(t, 3).Connect(t), 3, time.Hour)
	})
	t.Run("as told", func(t *testing.T) {
		r, err := New(Config{Conn: streamtest.Start(t, 3).Connect(t), Replicas: 1, Timeout: 5 * time.Second})
		ok(t, err)
		ready(t, r)
		if got := r.opener.Stream().CachedInfo().Config.Replicas; got != 1 {
			t.Errorf("%d replicas", got)
		}
	})
}

// TestOpenedByMany: processes that start at the same moment.
func TestOpenedByMany(t *testing.T) {
	c := streamtest.Start(t, 3)
	var wg sync.WaitGroup
	for range 4 {
		r := on(t, c.Connect(t))
		for range 2 {
			wg.Go(func() {
				if _, err := r.Load(t.Context(), "nothing"); !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
}

// TestReadYourWrites: a load sees what was acknowledged, whichever replica answers.
func TestReadYourWrites(t *testing.T) {
	c := streamtest.Start(t, 3)
	writer, reader := clustered(t, c), clustered(t, c)
	room := Room{Name: "r", Owner: "alice", Members: map[string]Member{}}
	for {
		if err := writer.Create(t.Context(), &room); err == nil {
			break
		}
	}
	rev := room.Revision
	var err error
	for i := range 300 {
		user := fmt.Sprint("user", i%20)
		if i/20%2 == 0 {
			rev, err = writer.Put(t.Context(), "r", rev, user, Member{Version: uint64(i)})
			room.Members[user] = Member{Version: uint64(i)}
		} else {
			rev, err = writer.Drop(t.Context(), "r", rev, user)
			delete(room.Members, user)
		}
		ok(t, err)
		if got := want(t, reader, room); got != rev {
			t.Fatalf("loaded at %d, want %d", got, rev)
		}
	}
}
