package client_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/gobwas/ws"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

// order notes what a connection is told, in the order in which it is.
type order struct{ seen chan string }

func newOrder() (*order, client.Options) {
	o := &order{make(chan string, 64)}
	note := func(format string, args ...any) { o.seen <- fmt.Sprintf(format, args...) }
	return o, client.Options{
		Welcome: func(w client.Welcome) { note("welcome %t %v %v", w.Resumed, w.Topics, w.Positions) },
		Deliver: func(d client.Delivery) { note("%s %d@%s %s", d.Topic, d.Offset, d.Epoch, d.MessageID) },
		Gap:     func(g client.Gap) { note("gap %+v", g) },
	}
}

func (o *order) want(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := <-o.seen; got != w {
			t.Fatalf("told %q, want %q", got, w)
		}
	}
}

func (o *order) recover(t *testing.T, c *client.Client, from map[string]client.Position) {
	t.Helper()
	err := c.Recover([]string{"a", "b"}, from, func(s client.Subscription, err error) {
		if err != nil {
			t.Error(err)
		}
		o.seen <- fmt.Sprint("reply ", s.Positions)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHistoryIsRecoveredAndResumed(t *testing.T) {
	url := serve(t, &hub.Hub{History: true})
	writer := dialAs(t, url, "writer", client.Options{})
	var acks []client.Ack
	write := func(id, topic string) {
		t.Helper()
		done := make(chan error)
		err := writer.PublishAs(id, topic, `1`, func(a client.Ack, err error) {
			acks = append(acks, a)
			done <- err
		})
		if err == nil {
			err = <-done
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	o, opts := newOrder()
	c := dialAs(t, url, "reader", opts)
	o.want(t, "welcome false [] map[]")
	o.recover(t, c, nil)
	o.want(t, "reply map[a:{{0 unborn} false} b:{{0 unborn} false}]")
	write("m1", "a")
	write("m2", "a")
	write("m1", "a")
	o.want(t, "a 1@e m1", "a 2@e m2")
	for i, want := range []client.Ack{
		{MessageID: "m1", Topic: "a", Status: "stored", Offset: 1, Epoch: "e"},
		{MessageID: "m2", Topic: "a", Status: "stored", Offset: 2, Epoch: "e"},
		{MessageID: "m1", Topic: "a", Status: "stored", Offset: 1, Epoch: "e", Duplicate: true},
	} {
		if acks[i] != want {
			t.Errorf("ack %+v, want %+v", acks[i], want)
		}
	}
	session := c.Welcome().SessionID
	c.Abort()
	write("m3", "b")

	o, opts = newOrder()
	c = dialAs(t, url, "reader", opts)
	o.want(t, "welcome false [] map[]")
	o.recover(t, c, map[string]client.Position{"a": {Offset: 1, Epoch: "e"}, "b": {Epoch: "unborn"}})
	o.want(t, "reply map[a:{{2 e} true} b:{{1 e} true}]", "a 2@e m2", "b 1@e m3")

	o, opts = newOrder()
	opts.Session = session
	dialAs(t, url, "reader", opts)
	o.want(t, "welcome true [a b] map[a:{{2 e} true} b:{{1 e} true}]")

	page, err := writer.History(t.Context(), client.HistoryRequest{Topic: "a", Limit: 1})
	if err != nil || page.Complete || page.Top != (client.Position{Offset: 2, Epoch: "e"}) || len(page.Deliveries) != 1 {
		t.Fatalf("page %+v, %v", page, err)
	}
	want := client.Delivery{Topic: "a", Payload: "1", FromUser: "writer", MessageID: "m1", SentAt: 1, Offset: 1, Epoch: "e"}
	if page.Deliveries[0] != want {
		t.Errorf("publication %+v", page.Deliveries[0])
	}
	since := client.Position{Offset: 1, Epoch: "e"}
	page, err = writer.History(t.Context(), client.HistoryRequest{Topic: "a", Since: &since, Limit: 5, Reverse: true})
	if err != nil || !page.Complete || len(page.Deliveries) != 1 || page.Deliveries[0].MessageID != "m2" {
		t.Errorf("page %+v, %v", page, err)
	}
}

func TestRoomsHaveHistoryToo(t *testing.T) {
	url := serve(t, &hub.Hub{History: true})
	got := make(chan client.RoomMessage, 4)
	c := dialAs(t, url, "alice", client.Options{Room: func(m client.RoomMessage) { got <- m }})
	if err := c.CreateRoom(t.Context(), client.RoomSpec{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	acks := make(chan client.Ack, 1)
	if err := c.SendRoomAs("m", "r", `2`, func(a client.Ack, _ error) { acks <- a }); err != nil {
		t.Fatal(err)
	}
	want := client.RoomMessage{Room: "r", Payload: "2", FromUser: "alice", MessageID: "m", SentAt: 1, Offset: 1, Epoch: "e"}
	if m, a := <-got, <-acks; m != want || a.Room != "r" || a.Offset != 1 || a.Epoch != "e" {
		t.Errorf("message %+v, ack %+v", m, a)
	}
	page, err := c.History(t.Context(), client.HistoryRequest{Room: "r", Until: &client.Position{Offset: 2, Epoch: "e"}, Limit: 5})
	if err != nil || !reflect.DeepEqual(page.Messages, []client.RoomMessage{want}) {
		t.Errorf("page %+v, %v", page, err)
	}
}

func TestGapsAreTold(t *testing.T) {
	h := &hub.Hub{}
	o, opts := newOrder()
	dialAs(t, serve(t, h), "reader", opts)
	o.want(t, "welcome false [] map[]")
	h.Write(0, ws.NewTextFrame([]byte(
		`{"type":"Status","data":{"status":"history_gap","details":{"room":"r","offset":57,"epoch":"e","recovered":false}}}`)))
	o.want(t, "gap {Topic: Room:r Position:{Offset:57 Epoch:e}}")
}
