package loadtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// ordeal is a cluster whose processes are killed while people talk.
type ordeal struct {
	*cluster.Cluster
	people   loadtest.People
	progress *loadtest.Progress
}

// TestRoomsAndDirectMessagesOutliveTheirProcesses runs one of everything and more
// as real processes, with people in rooms and people who come and go, and takes
// and gives each kind of process.
func TestRoomsAndDirectMessagesOutliveTheirProcesses(t *testing.T) {
	o := &ordeal{
		Cluster:  cluster.StartTest(t, cluster.Spec{NATS: 3, Redis: true, Gateways: 2, Routers: 1, Presences: 3}),
		progress: new(loadtest.Progress),
	}
	const residents, rooms = 4, 6
	o.people = loadtest.People{
		Rooms: rooms, Residents: residents, Twins: 2, Visitors: 2, Wanderers: 4,
		Stay: time.Second, Away: time.Second, Progress: o.progress,
	}
	load := loadtest.Load{
		Gateways: o.WS(),
		Token:    o.Token,
		Topics:   -1,
		People:   o.people,
		Duration: 2 * time.Second,
		Faults:   o.faults(),
	}
	for i := range load.Faults {
		f := &load.Faults[i]
		f.At = load.Duration
		f.Apart = 500 * time.Millisecond
		f.Then = o.goesOn
	}
	r, err := loadtest.Run(t.Context(), load)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", r)
	for _, p := range r.Problems() {
		t.Error(p)
	}
	for i, p := range r.Verdict.Pauses[:rooms+residents] {
		what := "direct messages to a resident"
		if i < rooms {
			what = "messages to a room"
		}
		if d := p.Acks.Length(); d > pauseAllowed {
			t.Errorf("%s (topic %d) went %v without an Ack, from %v", what, i, d, p.Acks.From)
		}
		if d := p.Deliveries.Length(); i < rooms && d > pauseAllowed {
			t.Errorf("a member of a room (topic %d) heard nothing for %v, from %v", i, d, p.Deliveries.From)
		}
	}
	if r.Skipped > 0 {
		t.Errorf("residents skipped %d turns: the load was not steady", r.Skipped)
	}
	// A run in which nothing happens would pass all of the above.
	sent := int(residents * 40 * r.End.Seconds())
	if v := r.Verdict; v.Messages < sent*7/10 || v.Acked < v.Messages*7/10 || v.Queued < 100 || r.Tally.Unseen == 0 {
		t.Errorf("only %d of about %d messages sent, %d acked, %d queued; %d reached connections that broke off", v.Messages, sent, v.Acked, v.Queued, r.Tally.Unseen)
	}
}

// faults are what happens, each with its proof that it did.
func (o *ordeal) faults() []loadtest.Fault {
	const settle = 2 * time.Second // after all know that it happened
	presence, router, gateway := o.Presences[0], o.Routers[0], o.Gateways[0]
	return []loadtest.Fault{
		{Name: "kill -9 of a presence node", Settle: settle, Do: func(ctx context.Context) error {
			return errors.Join(kill(presence), o.seen(ctx, cluster.Presence, 2))
		}},
		{Name: "it starts again", Settle: settle, Calm: true, Do: func(ctx context.Context) error {
			return errors.Join(presence.Restart(ctx), o.seen(ctx, cluster.Presence, 3))
		}},
		{Name: "kill -9 of a gateway", Settle: settle, Cuts: true, Do: func(ctx context.Context) error {
			before := o.progress.Now()
			return errors.Join(kill(gateway), o.seen(ctx, cluster.Gateway, 1), until(ctx, func() error {
				if n := o.progress.Now().Since(before); n.Lost < 4 || n.Returned < n.Lost {
					return fmt.Errorf("%d lost their connection, %d came back", n.Lost, n.Returned)
				}
				return nil
			}))
		}},
		{Name: "it starts again", Settle: settle, Calm: true, Do: func(ctx context.Context) error {
			return errors.Join(gateway.Restart(ctx), o.seen(ctx, cluster.Gateway, 2))
		}},
		{Name: "kill -9 of the router", Settle: settle, Calm: true, Do: func(ctx context.Context) error {
			return errors.Join(kill(router), o.seen(ctx, cluster.Router, 0), o.goesOn(ctx),
				router.Restart(ctx), o.seen(ctx, cluster.Router, 1))
		}},
		{Name: "kill -9 of a NATS server", Settle: settle, Calm: true, Do: o.withoutNATS},
		{Name: "kill -9 of Redis", Settle: settle, Calm: true, Do: o.withoutRedis},
		{Name: "a presence node leaves", Settle: settle, Calm: true, Do: func(ctx context.Context) error {
			return errors.Join(stop(ctx, o.Presences[1]), o.seen(ctx, cluster.Presence, 2))
		}},
		{Name: "another joins", Settle: settle, Calm: true, Do: func(ctx context.Context) error {
			_, err := o.Add(ctx, cluster.Presence)
			return errors.Join(err, o.seen(ctx, cluster.Presence, 3))
		}},
	}
}

// withoutNATS kills the NATS server that the durable rooms need most, and starts
// it again when all goes on without it.
func (o *ordeal) withoutNATS(ctx context.Context) error {
	nats, err := o.StreamLeader(ctx, "KV_rt_rooms")
	if err != nil {
		return err
	}
	before, err := o.reconnects(ctx)
	return errors.Join(err, kill(nats), until(ctx, func() error {
		now, err := o.reconnects(ctx)
		if err == nil && now <= before {
			err = errors.New("nobody had to connect to another NATS server")
		}
		return err
	}), o.visited(ctx), o.goesOn(ctx), nats.Restart(ctx))
}

// withoutRedis kills Redis and starts it again. Meanwhile messages to absent
// users are refused, and those to present users and rooms go on.
func (o *ordeal) withoutRedis(ctx context.Context) error {
	if err := kill(o.Redis); err != nil {
		return err
	}
	before := o.progress.Now()
	err := until(ctx, func() error {
		n := o.progress.Now().Since(before)
		if n.RefusedAway[503] < 5 || n.Delivered < 50 || slices.Min(n.Rooms) < 10 {
			return fmt.Errorf("without Redis: %+v", n)
		}
		if len(n.RefusedHere) > 0 {
			return fmt.Errorf("without Redis, direct messages to users who were there were refused: %v", n.RefusedHere)
		}
		return nil
	})
	return errors.Join(err, o.Redis.Restart(ctx), o.goesOn(ctx))
}

// goesOn waits until there is news of every kind, from now on.
func (o *ordeal) goesOn(ctx context.Context) error {
	before := o.progress.Now()
	return until(ctx, func() error {
		n := o.progress.Now().Since(before)
		if slices.Min(n.Rooms) < 5 || slices.Min(n.Heard) < 10 || n.Delivered < 20 || n.Queued < 3 || n.Late < 3 {
			return fmt.Errorf("it does not go on: %+v", n)
		}
		return nil
	})
}

// visited waits until durable rooms were joined and left, which JetStream writes
// down.
func (o *ordeal) visited(ctx context.Context) error {
	before := o.progress.Now()
	return until(ctx, func() error {
		visits := 0
		for room, n := range o.progress.Now().Since(before).Visits {
			if o.people.Durable(room) {
				visits += n
			}
		}
		if visits < 2 {
			return fmt.Errorf("%d durable rooms were joined and left", visits)
		}
		return nil
	})
}

// seen waits until every process that runs sees n nodes of a role.
func (o *ordeal) seen(ctx context.Context, role cluster.Role, n int) error {
	return until(ctx, func() error {
		for _, p := range o.Processes() {
			if p.Role == cluster.NATS || p.Role == cluster.Redis || !p.Running() {
				continue
			}
			got, err := p.Metric(ctx, "realtime_view_nodes", map[string]string{"view": string(role), "state": "active"})
			if err != nil {
				return err
			}
			if int(got) != n {
				return fmt.Errorf("%s sees %v nodes of role %s, not %d", p.Name, got, role, n)
			}
		}
		return nil
	})
}

// reconnects is how often the processes had to connect to NATS again.
func (o *ordeal) reconnects(ctx context.Context) (sum float64, err error) {
	for _, p := range o.Processes() {
		if p.Role == cluster.NATS || p.Role == cluster.Redis || !p.Running() {
			continue
		}
		n, err := p.Metric(ctx, "realtime_nats_reconnects_total", nil)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// kill is kill -9 of a process that runs.
func kill(p *cluster.Process) error {
	if err := p.Kill(); err != nil {
		return err
	}
	if p.Running() || p.PID() != 0 {
		return fmt.Errorf("%s still runs", p.Name)
	}
	return nil
}
