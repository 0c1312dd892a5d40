package loadtest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// TestRedisAway takes Redis away in three ways: its process ends, its connections are reset, and it falls silent. Each time
// the lesser service is the same, and all is well again by itself.
func TestRedisAway(t *testing.T) {
	c := cluster.StartTest(t, cluster.Spec{NATS: 1, Redis: true, Links: true, Gateways: 1, Routers: 1, Presences: 1})
	ctx := t.Context()
	presence, gateway := c.Presences[0], c.Gateways[0]
	heard, direct := make(chan client.Delivery, 10), make(chan client.DirectMessage, 10)
	alice := connect(t, c, 0, "alice", client.Options{})
	bob := connect(t, c, 0, "bob", client.Options{
		Deliver: func(d client.Delivery) { heard <- d }, Direct: func(m client.DirectMessage) { direct <- m },
	})
	dialed := func(user, session string) client.Welcome {
		t.Helper()
		begin := time.Now()
		conn := connect(t, c, 0, user, client.Options{Session: session})
		if took := time.Since(begin); took > pauseAllowed {
			t.Errorf("%s connected after %v", user, took)
		}
		must(t, conn.Close())
		return conn.Welcome()
	}
	traffic := startLive(t, alice, bob, "live", heard)
	links := []*cluster.Links{presence.Links, gateway.Links}
	each := func(do func(*cluster.Links)) {
		for _, l := range links {
			do(l)
		}
	}
	for n, way := range []struct {
		name       string
		away, back func() error
	}{
		{"its process ends", c.Redis.Kill, func() error { return c.Redis.Restart(ctx) }},
		{"its connections are reset", func() error {
			each(func(l *cluster.Links) { l.Redis.Refuse(true); l.Redis.Reset() })
			return nil
		}, func() error {
			each(func(l *cluster.Links) { l.Redis.Refuse(false) })
			return nil
		}},
		{"it is silent", func() error {
			each(func(l *cluster.Links) { l.Redis.Pause() })
			return nil
		}, func() error {
			each(func(l *cluster.Links) { l.Redis.Resume() })
			return nil
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			absent := fmt.Sprintf("absent-%d", n)
			queue := func(payload string) (client.Ack, error) { return alice.DirectMessage(ctx, absent, payload) }
			if ack, err := queue(`"first"`); err != nil || ack.Status != "queued" {
				t.Fatalf("%+v, %v", ack, err)
			}
			session := dialed("carol", "").SessionID
			must(t, until(ctx, func() error { // it is written behind
				if !dialed("carol", session).Resumed {
					return errors.New("not resumed")
				}
				return nil
			}))

			must(t, way.away())
			must(t, until(ctx, func() error {
				begin := time.Now()
				_, err := queue(`"refused"`)
				if client.Code(err) != 503 {
					t.Fatalf("a direct message to an absent user: %v", err)
				}
				if took := time.Since(begin); took > 50*time.Millisecond {
					return fmt.Errorf("refused after %v: the circuit is not open", took)
				}
				return nil
			}))
			if dialed("carol", session).Resumed {
				t.Error("a session was resumed without Redis")
			}
			if ack, err := alice.DirectMessage(ctx, "bob", `"present"`); err != nil || ack.Recipients != 1 || (<-direct).Payload != `"present"` {
				t.Errorf("%+v, %v", ack, err)
			}
			for _, p := range []*cluster.Process{presence, gateway} {
				wantRedisAway(t, p)
				wantBreaker(t, p, "redis", true)
			}
			wantHealth(t, c.Routers[0])

			must(t, way.back())
			for _, p := range []*cluster.Process{presence, gateway} {
				wantHealth(t, p)
				wantBreaker(t, p, "redis", false)
			}
			must(t, until(ctx, func() error {
				ack, err := queue(`"second"`)
				if err == nil && ack.Status != "queued" {
					err = fmt.Errorf("%+v", ack)
				}
				return err
			}))
			late := make(chan client.DirectMessage, 10)
			connect(t, c, 0, absent, client.Options{Direct: func(m client.DirectMessage) {
				if m.Payload != `"refused"` { // what got no answer in time may have taken place
					late <- m
				}
			}})
			for _, want := range []string{`"first"`, `"second"`} {
				select {
				case m := <-late:
					if m.Payload != want {
						t.Errorf("queued: %s, want %s", m.Payload, want)
					}
				case <-time.After(pauseAllowed):
					t.Errorf("%s was lost", want)
				}
			}
		})
	}
	traffic.end(t)
	for _, p := range []*cluster.Process{presence, gateway} {
		if _, back := logLines(t, p, `"msg":"Redis is back"`); back != 3 {
			t.Errorf("%s: Redis was away 3 times, and back %d times", p.Name, back)
		}
	}
}

// wantRedisAway waits until a process is degraded for Redis' sake, and ready.
func wantRedisAway(t *testing.T, p *cluster.Process) {
	t.Helper()
	must(t, until(t.Context(), func() error {
		h, err := healthOf(t.Context(), p)
		if err == nil && (h.Status != "degraded" || h.Components["redis"].Status != "unhealthy") {
			err = fmt.Errorf("%s is %+v", p.Name, h)
		}
		return err
	}))
	if _, err := p.Get(t.Context(), "/readyz"); err != nil {
		t.Errorf("%s: %v", p.Name, err)
	}
}
