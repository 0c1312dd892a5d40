package loadtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// atOnce is how long what is refused by an open circuit breaker may take.
const atOnce = 500 * time.Millisecond

// TestJetStreamAway takes JetStream its majority, while NATS itself stays. What is stored is refused, and acked when it is sent
// again afterwards, once; everything else goes on.
func TestJetStreamAway(t *testing.T) {
	c := cluster.StartTest(t, cluster.Spec{
		NATS: 3, Cores: 1, Redis: true, Gateways: 1, Routers: 1, Presences: 1,
		Settings: "history:\n  - name: kept\n    topics: [\"stored.>\"]\n    size: 1000\n    age: 1h\n",
	})
	ctx := t.Context()
	router, presence, gateway := c.Routers[0], c.Presences[0], c.Gateways[0]
	heard, stored, direct := make(chan client.Delivery, 10), make(chan client.Delivery, 1000), make(chan client.DirectMessage, 10)
	alice := connect(t, c, 0, "alice", client.Options{})
	bob := connect(t, c, 0, "bob", client.Options{
		Direct: func(m client.DirectMessage) { direct <- m },
		Deliver: func(d client.Delivery) {
			if d.Topic == "live" {
				heard <- d
			} else {
				stored <- d
			}
		},
	})
	const topics = 6
	publish := func(round int) (errs [topics]error, took time.Duration) {
		begin := time.Now()
		var all errgroup.Group
		for i := range topics {
			all.Go(func() error {
				acked := make(chan error, 1)
				id := fmt.Sprintf("m-%d-%d", round, i)
				if err := alice.PublishAs(id, fmt.Sprintf("stored.%d", i), fmt.Sprint(round), func(_ client.Ack, err error) { acked <- err }); err != nil {
					return err
				}
				errs[i] = <-acked
				return nil
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
		return errs, time.Since(begin)
	}
	refused := func(round int) time.Duration {
		t.Helper()
		errs, took := publish(round)
		for i, err := range errs {
			if client.Code(err) != 503 {
				t.Errorf("message %d to topic %d: %v", round, i, err)
			}
		}
		return took
	}
	accepted := func(round int) {
		t.Helper()
		err := until(ctx, func() error {
			errs, _ := publish(round) // with the same ids
			return errors.Join(errs[:]...)
		})
		if err != nil {
			t.Fatalf("message %d: %v", round, err)
		}
	}
	for i := range topics {
		must(t, until(ctx, func() error { _, err := bob.Subscribe(ctx, fmt.Sprintf("stored.%d", i)); return err }))
	}
	must(t, until(ctx, func() error {
		return alice.CreateRoom(ctx, client.RoomSpec{Name: "durable", Durable: true, Members: []string{"bob"}})
	}))
	must(t, alice.CreateRoom(ctx, client.RoomSpec{Name: "soft"}))
	accepted(0)
	wantHealth(t, router)
	traffic := startLive(t, alice, bob, "live", heard)

	must(t, together(c.NATS[:2], (*cluster.Process).Kill))
	if took := refused(1); took > pauseAllowed+time.Second {
		t.Errorf("refused after %v", took)
	}
	wantBreaker(t, router, "history", true)
	if took := refused(2); took > atOnce {
		t.Errorf("refused after %v although the circuit is open", took)
	}
	must(t, until(ctx, func() error {
		begin := time.Now()
		err := alice.CreateRoom(ctx, client.RoomSpec{Name: "later", Durable: true})
		if client.Code(err) != 503 {
			t.Fatalf("a durable room: %v", err)
		}
		if took := time.Since(begin); took > 50*time.Millisecond {
			return fmt.Errorf("refused after %v: the circuit is not open", took)
		}
		return nil
	}))
	wantBreaker(t, presence, "jetstream", true)
	// Whether there is a durable room of a name is not known, either.
	if err := alice.CreateRoom(ctx, client.RoomSpec{Name: "new"}); client.Code(err) != 503 {
		t.Errorf("a room that is not open yet: %v", err)
	}
	// The rest works: rooms that are open, direct messages, queues, new connections.
	for _, room := range []string{"durable", "soft"} {
		_, err := alice.RoomMessage(ctx, room, `"open"`)
		must(t, err)
	}
	ack, err := alice.DirectMessage(ctx, "bob", `"present"`)
	if err != nil || ack.Recipients != 1 || (<-direct).Payload != `"present"` {
		t.Errorf("%+v, %v", ack, err)
	}
	if ack, err := alice.DirectMessage(ctx, "nobody", `"absent"`); err != nil || ack.Status != "queued" {
		t.Errorf("%+v, %v", ack, err)
	}
	connect(t, c, 0, "dave", client.Options{})
	// Nobody calls for a while: /health knows nevertheless.
	for range 3 {
		wantHealth(t, router, "topic_history")
		wantHealth(t, presence, "jetstream")
		wantHealth(t, gateway)
		time.Sleep(time.Second)
	}

	must(t, together(c.NATS[:2], func(p *cluster.Process) error { return p.Restart(ctx) }))
	for _, p := range []*cluster.Process{router, presence, gateway} {
		wantHealth(t, p)
	}
	wantBreaker(t, router, "history", false)
	wantBreaker(t, presence, "jetstream", false)
	for round := 1; round <= 3; round++ {
		accepted(round)
	}
	must(t, alice.CreateRoom(ctx, client.RoomSpec{Name: "later", Durable: true}))
	traffic.end(t)
	wantEachOnce(t, stored, topics, 4)
	for _, p := range []*cluster.Process{router, presence} {
		warnings, back := logLines(t, p, `"msg":"JetStream is back"`)
		if warnings != 1 || back != 1 {
			t.Errorf("%s: %d warnings, %d lines that JetStream is back", p.Name, warnings, back)
		}
	}
}

// wantEachOnce takes the messages of all topics, of each the same number of rounds, and sees to it that each came once and in order of
// its offset.
func wantEachOnce(t *testing.T, stored <-chan client.Delivery, topics, rounds int) {
	t.Helper()
	offsets, got := map[string]int64{}, map[string]int{}
	for range topics * rounds {
		select {
		case d := <-stored:
			if d.Offset != offsets[d.Topic]+1 {
				t.Errorf("%s: offset %d after %d", d.Topic, d.Offset, offsets[d.Topic])
			}
			offsets[d.Topic] = d.Offset
			got[d.Topic+" "+d.Payload]++
		case <-time.After(pauseAllowed):
		}
	}
	if len(got) != topics*rounds || len(stored) > 0 {
		t.Errorf("got %v, and %d more", got, len(stored))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// together does something to several processes at the same time.
func together(list []*cluster.Process, do func(*cluster.Process) error) error {
	all, _ := errgroup.WithContext(context.Background())
	for _, p := range list {
		all.Go(func() error { return do(p) })
	}
	return all.Wait()
}
