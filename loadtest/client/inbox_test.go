package client_test

import (
	"testing"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

func dialAs(t *testing.T, url, user string, opts client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), url, user, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// inbox collects what comes without being asked for.
type inbox struct {
	direct   chan client.DirectMessage
	room     chan client.RoomMessage
	event    chan client.RoomEvent
	presence chan client.Presence
	other    chan client.Message
}

func newInbox() (*inbox, client.Options) {
	const room = 16 // more than any test sends
	b := &inbox{make(chan client.DirectMessage, room), make(chan client.RoomMessage, room),
		make(chan client.RoomEvent, room), make(chan client.Presence, room), make(chan client.Message, room)}
	return b, client.Options{
		Direct:    func(m client.DirectMessage) { b.direct <- m },
		Room:      func(m client.RoomMessage) { b.room <- m },
		RoomEvent: func(e client.RoomEvent) { b.event <- e },
		Presence:  func(p client.Presence) { b.presence <- p },
		Other:     func(m client.Message) { b.other <- m },
	}
}
