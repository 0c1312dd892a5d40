package client_test

import (
	"testing"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

func TestPresence(t *testing.T) {
	url := serve(t, &hub.Hub{})
	ctx := t.Context()
	box, opts := newInbox()
	alice := dialAs(t, url, "alice", opts)
	if err := alice.WatchPresence(ctx, "bob", "carol"); err != nil {
		t.Fatal(err)
	}
	bob := dialAs(t, url, "bob", client.Options{})
	see := func(status string, connections int) {
		t.Helper()
		if p := <-box.presence; p.UserID != "bob" || p.Status != status || p.Connections != connections {
			t.Errorf("presence %+v", p)
		}
	}
	see("online", 1)
	if err := bob.SetPresence(ctx, "busy", "in a call", `{"room":1}`); err != nil {
		t.Fatal(err)
	}
	see("busy", 1)
	got, err := alice.GetPresence(ctx, "bob", "carol")
	if err != nil || len(got) != 2 || got[0].Status != "busy" || got[1].Status != "offline" || got[1].UserID != "carol" {
		t.Errorf("presence %+v, %v", got, err)
	}
	_ = bob.Close()
	see("offline", 0)
	if err := alice.UnwatchPresence(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	_ = dialAs(t, url, "bob", client.Options{}).Close()
	if err := alice.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if len(box.presence) != 0 {
		t.Errorf("presence after unwatching: %+v", <-box.presence)
	}
}
