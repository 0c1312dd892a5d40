package shelf

import (
	"strings"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// NewItem is a message to be stored. It shares no memory with p. ticket is what Desk gets it back with.
func NewItem(p *wire.Publish, messageID string, ticket any) *history.Item {
	return &history.Item{
		Publication: history.Publication{
			SentAt: p.SentAt / 1000, User: strings.Clone(p.User), MessageID: strings.Clone(messageID), Given: p.ID != "",
			Payload: append([]byte(nil), p.Payload...), Metadata: strings.Clone(p.Metadata),
		},
		Ticket: ticket,
	}
}

// Publication is what a stored message becomes for those who get it, of the topic or room of that name.
func Publication(name string, p *history.Publication, at history.Position) *protocol.Publication {
	return &protocol.Publication{
		Topic: name, Payload: p.Payload, User: p.User, MessageID: p.MessageID, SentAt: p.SentAt,
		Offset: at.Offset, Epoch: at.Epoch.String(), Metadata: p.Metadata,
	}
}

// OnWire is a position as nodes tell it each other.
func OnWire(at history.Position) wire.Position {
	return wire.Position{Offset: at.Offset, Epoch: uint64(at.Epoch)}
}

// FromWire is what OnWire was made of.
func FromWire(at wire.Position) history.Position {
	return history.Position{Offset: at.Offset, Epoch: history.Epoch(at.Epoch)}
}

// ForClient is a position as clients are told it.
func ForClient(at history.Position) protocol.Position {
	return protocol.Position{Offset: at.Offset, Epoch: at.Epoch.String()}
}

// Page is the answer to a client's History but for the name of the topic or room.
func (f *Found) Page() protocol.HistoryPage {
	page := protocol.HistoryPage{Top: ForClient(f.Top), Complete: f.Complete}
	for i := range f.List {
		page.Publications = append(page.Publications, protocol.PublicationData(f.List[i].Frame))
	}
	return page
}
