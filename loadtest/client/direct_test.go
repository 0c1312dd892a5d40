package client_test

import (
	"testing"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

func TestDirectMessages(t *testing.T) {
	h := &hub.Hub{}
	url := serve(t, h)
	alice := dialAs(t, url, "alice", client.Options{})
	ack, err := alice.DirectMessage(t.Context(), "bob", `"while away"`)
	if err != nil || ack.Status != "queued" {
		t.Fatalf("ack %+v, %v", ack, err)
	}
	box, opts := newInbox()
	bob := dialAs(t, url, "bob", opts)
	if got, want := <-box.direct, (client.DirectMessage{
		FromUser: "alice", Payload: `"while away"`, MessageID: ack.MessageID, SentAt: 1, Queued: true}); got != want {
		t.Errorf("message %+v", got)
	}
	done := make(chan client.Ack, 1)
	if err := alice.SendDirect("bob", "1", func(a client.Ack, _ error) { done <- a }); err != nil {
		t.Fatal(err)
	}
	if got := <-box.direct; got.Payload != "1" || got.Queued {
		t.Errorf("message %+v", got)
	}
	if a := <-done; a.Status != "delivered" || a.Recipients != 1 {
		t.Errorf("ack %+v", a)
	}
	if err := alice.SendDirect("bob", "2", nil); err != nil {
		t.Fatal(err)
	}
	if got := <-box.direct; got.Payload != "2" {
		t.Errorf("message %+v", got)
	}
	_ = bob.Close()
}

func TestWhatNobodyTakesGoesToOther(t *testing.T) {
	url := serve(t, &hub.Hub{})
	other := make(chan client.Message, 4)
	_ = dialAs(t, url, "alice", client.Options{Other: func(m client.Message) { other <- m }})
	bob := dialAs(t, url, "bob", client.Options{})
	if _, err := bob.DirectMessage(t.Context(), "alice", "1"); err != nil {
		t.Fatal(err)
	}
	if m := <-other; m.Type != "DirectMessage" || m.ID != "" {
		t.Errorf("message %+v", m)
	}
}
