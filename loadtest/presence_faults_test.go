package loadtest_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// ghostsAllowed is how long the users of a killed gateway may look as if they were
// there.
const ghostsAllowed = 5 * time.Second

// TestWhatIsKnownOfUsersOutlivesItsKeepers kills a gateway, whose users must soon
// be offline, and then all presence nodes at once: rooms and members are known
// afterwards.
func TestWhatIsKnownOfUsersOutlivesItsKeepers(t *testing.T) {
	c := cluster.StartTest(t, cluster.Spec{NATS: 1, Redis: true, Gateways: 2, Routers: 1, Presences: 2})
	ctx := t.Context()
	changes, heard := make(chan client.Presence, 100), make(chan client.RoomMessage, 100) // more than there are
	hear := func(m client.RoomMessage) { heard <- m }
	alice := connect(t, c, 1, "alice", client.Options{Room: hear, Presence: func(p client.Presence) { changes <- p }})
	bob := connect(t, c, 0, "bob", client.Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(alice.CreateRoom(ctx, client.RoomSpec{Name: "kept", Durable: true, Members: []string{"bob", "carol"}}))
	must(alice.CreateRoom(ctx, client.RoomSpec{Name: "soft"}))
	must(alice.SetPresence(ctx, "busy", "", ""))
	must(alice.WatchPresence(ctx, "bob"))

	must(kill(c.Gateways[0]))
	killed := time.Now()
	<-bob.Done()
	for online := true; online; {
		select {
		case p := <-changes:
			online = p.UserID != "bob" || p.Status != "offline"
		case <-time.After(time.Until(killed.Add(ghostsAllowed))):
			t.Fatalf("bob was a ghost for %v", time.Since(killed))
		}
	}
	t.Logf("bob was a ghost for %v", time.Since(killed).Round(time.Millisecond))

	for _, p := range c.Presences {
		must(kill(p))
	}
	for _, p := range c.Presences {
		must(p.Restart(ctx))
	}
	must(until(ctx, func() error {
		info, err := alice.RoomInfo(ctx, "kept", "", 0)
		var users []string
		for _, m := range info.Members {
			users = append(users, m.UserID)
		}
		slices.Sort(users)
		if err == nil && (!slices.Equal(users, []string{"alice", "bob", "carol"}) || info.Owner != "alice") {
			err = fmt.Errorf("%+v", info)
		}
		return err
	}))
	must(until(ctx, func() error {
		p, err := alice.GetPresence(ctx, "alice")
		if err == nil && (len(p) != 1 || p[0].Status != "busy" || p[0].Connections != 1) {
			err = fmt.Errorf("%+v", p)
		}
		return err
	}))

	// Both rooms go on: alice's gateway tells of her membership in the one, and the other knows
	// bob, who comes back elsewhere and joins nothing.
	connect(t, c, 1, "bob", client.Options{Room: hear})
	for _, room := range []string{"kept", "soft"} {
		must(until(ctx, func() error {
			_, err := alice.RoomMessage(ctx, room, `"still here"`)
			return err
		}))
	}
	got := map[string]int{}
	for range 3 {
		select {
		case m := <-heard:
			got[m.Room]++
		case <-time.After(pauseAllowed):
		}
	}
	if got["kept"] != 2 || got["soft"] != 1 {
		t.Errorf("heard %v, want two of the durable room's members and alice in the other", got)
	}
}

func connect(t *testing.T, c *cluster.Cluster, gateway int, user string, opts client.Options) *client.Client {
	t.Helper()
	token, err := c.Token(user)
	if err != nil {
		t.Fatal(err)
	}
	var conn *client.Client
	err = until(t.Context(), func() error {
		conn, err = client.Dial(t.Context(), c.WS()[gateway], token, opts)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
