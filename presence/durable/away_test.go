package durable

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

// everyCall makes every call there is.
func everyCall(ctx context.Context, r *Rooms) map[string]error {
	room := sample("r")
	_, load := r.Load(ctx, "r")
	_, put := r.Put(ctx, "r", 1, "u", Member{})
	_, drop := r.Drop(ctx, "r", 1, "u")
	_, list := r.UserRooms(ctx, []string{"u"})
	_, lists := r.UserRooms(ctx, []string{"u", "v"})
	return map[string]error{
		"load": load, "put": put, "drop": drop, "list": list, "lists": lists,
		"create": r.Create(ctx, &room), "delete": r.Delete(ctx, "r", 1),
		"add": r.AddUserRoom(ctx, "u", "r"), "remove": r.RemoveUserRoom(ctx, "u", "r"),
	}
}

func wantAway(t *testing.T, r *Rooms, within time.Duration) {
	t.Helper()
	start := time.Now()
	errs := everyCall(t.Context(), r)
	for name, err := range errs {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
	if took := time.Since(start) / time.Duration(len(errs)); took > within {
		t.Errorf("a call took %v", took)
	} else {
		t.Logf("%v a call", took)
	}
}

// wantAwayWrites makes the calls that would write, were there a majority.
func wantAwayWrites(t *testing.T, r *Rooms, revision uint64, within time.Duration) {
	t.Helper()
	other := sample("other")
	for name, do := range map[string]func() error{
		"put":    func() error { _, err := r.Put(t.Context(), "r", revision, "u", Member{}); return err },
		"drop":   func() error { _, err := r.Drop(t.Context(), "r", revision, "u"); return err },
		"delete": func() error { return r.Delete(t.Context(), "r", revision) },
		"create": func() error { return r.Create(t.Context(), &other) },
		"add":    func() error { return r.AddUserRoom(t.Context(), "u", "r") },
	} {
		start := time.Now()
		if err := do(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
		if took := time.Since(start); took > within {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func TestAway(t *testing.T) {
	const timeout = 300 * time.Millisecond
	const bound = timeout + 100*time.Millisecond
	rooms := func(t *testing.T, nc *nats.Conn) *Rooms {
		t.Helper()
		r, err := New(Config{Conn: nc, Timeout: timeout})
		ok(t, err)
		return r
	}
	for _, opened := range []bool{false, true} {
		t.Run(fmt.Sprintf("server gone, opened %v", opened), func(t *testing.T) {
			nc, e := streamtest.Embedded(t)
			r := rooms(t, nc)
			if opened {
				ok(t, r.AddUserRoom(t.Context(), "u", "r"))
			}
			e.Shutdown()
			wantAway(t, r, bound)
		})
		t.Run(fmt.Sprintf("no majority, opened %v", opened), func(t *testing.T) {
			c := streamtest.Start(t, 3)
			r := rooms(t, c.Connect(t))
			room := sample("r")
			if opened {
				ready(t, r)
				ok(t, r.Create(t.Context(), &room))
			}
			c.Stop(0)
			c.Stop(1)
			streamtest.Eventually(t, 5*time.Second, "a connection", r.conn.IsConnected)
			if opened { // what would be refused needs no majority
				wantAwayWrites(t, r, room.Revision, bound)
			} else {
				wantAway(t, r, bound)
			}
			c.Restart(t, 0)
			c.Restart(t, 1)
			r.timeout = 5 * time.Second
			ready(t, r)
		})
	}
	t.Run("closed", func(t *testing.T) {
		nc, _ := streamtest.Embedded(t)
		r := rooms(t, nc)
		ready(t, r)
		nc.Close()
		wantAway(t, r, bound)
	})
	t.Run("bucket deleted", func(t *testing.T) {
		nc, _ := streamtest.Embedded(t)
		r := rooms(t, nc)
		ready(t, r)
		ok(t, r.js.DeleteStream(t.Context(), stream))
		_, err := r.Load(t.Context(), "r")
		wantError(t, err, ErrUnavailable)
		streamtest.Eventually(t, 10*time.Second, "a new bucket", func() bool {
			_, err := r.Load(t.Context(), "r")
			return errors.Is(err, ErrNotFound)
		})
	})
}

// TestContext: a call that its caller ends is not JetStream's fault.
func TestContext(t *testing.T) {
	r := single(t)
	ok(t, r.AddUserRoom(t.Context(), "u", "r"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range everyCall(ctx, r) {
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestServerLost: with three replicas the loss of one server is a pause.
func TestServerLost(t *testing.T) {
	c := streamtest.Start(t, 3)
	r := clustered(t, c)
	r.timeout = time.Second
	room := sample("r")
	ok(t, r.Create(t.Context(), &room))
	rev := room.Revision
	c.Stop(c.Leader(stream))
	start := time.Now()
	for i := range 50 {
		m := Member{Version: uint64(i)}
		streamtest.Eventually(t, 20*time.Second, "a repeated put succeeds", func() bool {
			next, err := r.Put(t.Context(), "r", rev, "carol", m)
			if err == nil {
				rev = next
			} else if !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			return err == nil
		})
		if i == 0 {
			t.Logf("the first put succeeded after %v", time.Since(start))
		}
	}
	room.Members["carol"] = Member{Version: 49}
	if got := want(t, r, room); got != rev {
		t.Errorf("revision %d, want %d", got, rev)
	}
}
