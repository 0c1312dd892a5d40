package client_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

func TestRooms(t *testing.T) {
	url := serve(t, &hub.Hub{})
	ctx := t.Context()
	box, opts := newInbox()
	alice := dialAs(t, url, "alice", opts)
	bob := dialAs(t, url, "bob", client.Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(alice.CreateRoom(ctx, client.RoomSpec{Name: "a.b", Visibility: "private", Metadata: json.RawMessage(`{"x":1}`)}))
	if err := alice.CreateRoom(ctx, client.RoomSpec{Name: "a.b"}); client.Code(err) != 409 {
		t.Errorf("second creation: %v", err)
	}
	if _, err := bob.JoinRoom(ctx, "a.b", true); client.Code(err) != 403 {
		t.Errorf("uninvited: %v", err)
	}
	must(alice.AddMember(ctx, "a.b", "bob"))
	m, err := bob.JoinRoom(ctx, "a.b", false)
	if want := (client.Membership{Room: "a.b", Owner: "alice", MemberCount: 2}); err != nil || m != want {
		t.Errorf("membership %+v, %v", m, err)
	}
	ack, err := bob.RoomMessage(ctx, "a.b", `{"y":2}`)
	if err != nil || ack.Room != "a.b" || ack.Recipients != 2 || ack.Status == "" {
		t.Errorf("ack %+v, %v", ack, err)
	}
	got := <-box.room
	if want := (client.RoomMessage{Room: "a.b", Payload: `{"y":2}`, FromUser: "bob", MessageID: ack.MessageID, SentAt: 1}); got != want {
		t.Errorf("message %+v", got)
	}
	must(bob.SendRoom("a.b", "3", nil))
	if got := <-box.room; got.Payload != "3" || got.MessageID != "" {
		t.Errorf("message without an id %+v", got)
	}

	info, err := bob.RoomInfo(ctx, "a.b", "", 1)
	want := client.RoomInfo{Room: "a.b", Owner: "alice", Visibility: "private", MemberCount: 2,
		Members: []client.RoomMember{{UserID: "alice", Status: "online"}}, Next: "alice"}
	if err != nil || !reflect.DeepEqual(info, want) {
		t.Errorf("info %+v, %v", info, err)
	}
	info, err = bob.RoomInfo(ctx, "a.b", info.Next, 1)
	if err != nil || info.Next != "" || len(info.Members) != 1 || info.Members[0].UserID != "bob" {
		t.Errorf("second page %+v, %v", info, err)
	}

	must(alice.RemoveMember(ctx, "a.b", "bob"))
	must(alice.AddMember(ctx, "a.b", "bob"))
	must(bob.LeaveRoom(ctx, "a.b"))
	if _, err := bob.RoomMessage(ctx, "a.b", "4"); client.Code(err) != 403 {
		t.Errorf("after leaving: %v", err)
	}
	if err := bob.DeleteRoom(ctx, "a.b"); client.Code(err) != 403 {
		t.Errorf("deleted by another: %v", err)
	}
	must(alice.DeleteRoom(ctx, "a.b"))
	for _, event := range []string{"joined", "removed", "joined", "left", "deleted"} {
		if e := <-box.event; e.Event != event || e.Room != "a.b" || event != "deleted" && e.UserID != "bob" {
			t.Errorf("event %+v, want %s", e, event)
		}
	}
	if m, err = bob.JoinRoom(ctx, "c", true); err != nil || m.Owner != "bob" {
		t.Errorf("made by joining: %+v, %v", m, err)
	}
}
