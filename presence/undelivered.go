package presence

import (
	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Undelivered implements owner.Telling: a direct message that a gateway may not have had when it died was
// acknowledged to its sender. Unless another connection of the user had it, it goes to wherever the user is by now,
// or into the queue: the user may get it twice, with the same message_id, but does not miss it.
func (r *registry) Undelivered(_ *owner.Gateway, rec wire.Record) {
	var d wire.Deliver
	if rec.Kind != wire.KindDeliver || d.Decode(rec.Body) != nil || !wire.IsUser(d.Topic) {
		return
	}
	message := gjson.ParseBytes(payloadOf(d.Frame))
	data := message.Get("data")
	if message.Get("type").Str != protocol.TypeDirectMessage {
		return
	}
	metadata := data.Get("metadata")
	r.undelivered = append(r.undelivered, clonePublish(&wire.Publish{
		User: data.Get("from_user").Str, ID: metadata.Get("message_id").Str,
		Payload: []byte(data.Get("payload").Raw), SentAt: metadata.Get("sent_at").Int() * 1000,
		Metadata: protocol.SetMetadata(metadata.Raw),
	}))
	r.undelivered[len(r.undelivered)-1].Topic = string([]byte(d.Topic))
}

// payloadOf is the payload of a server's frame.
func payloadOf(frame []byte) []byte {
	switch {
	case len(frame) >= 10 && frame[1] == 127:
		return frame[10:]
	case len(frame) >= 4 && frame[1] == 126:
		return frame[4:]
	}
	return frame[min(2, len(frame)):]
}

// redirect sends on what a gateway that is gone may not have had.
func (r *registry) redirect() {
	list := r.undelivered
	r.undelivered = nil
	for i := range list {
		p := &list[i]
		if u := r.users[p.Topic]; r.lane.Owns(p.Topic) && (u == nil || !u.heard(p.SentAt)) {
			r.metrics.redirected.Inc()
			p.Quiet = true
			r.direct(owner.Source{}, p)
		}
	}
}
