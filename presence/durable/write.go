package durable

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// What the clients of buckets mark a deletion with.
const (
	operation = "KV-Operation"
	deletion  = "DEL"
)

// write stores data at a subject if the last sequence at fence is expected (0: nothing is there), and
// returns the new sequence. Its error is ErrConflict if not, or while another such write is under way.
func (r *Rooms) write(ctx context.Context, at string, data []byte, fence string, expected uint64) (uint64, error) {
	return r.publish(ctx, &nats.Msg{Subject: at, Data: data}, 0, fence, expected)
}

// remove is write of a deletion marker.
func (r *Rooms) remove(ctx context.Context, at, fence string, expected uint64) (uint64, error) {
	var ttl time.Duration
	if r.opener.Stream().CachedInfo().Config.AllowMsgTTL { // markers can vanish
		ttl = markerTTL
	}
	return r.publish(ctx, &nats.Msg{Subject: at, Header: nats.Header{operation: {deletion}}}, ttl, fence, expected)
}

func (r *Rooms) publish(ctx context.Context, msg *nats.Msg, ttl time.Duration, fence string, expected uint64) (uint64, error) {
	options := []jetstream.PublishOpt{
		jetstream.WithExpectStream(stream),
		jetstream.WithExpectLastSequenceForSubject(expected, fence),
	}
	if ttl > 0 {
		options = append(options, jetstream.WithMsgTTL(ttl))
	}
	ack, err := r.js.PublishMsg(ctx, msg, options...)
	switch {
	case err == nil:
		return ack.Sequence, nil
	case jsstream.Mismatched(err):
		return 0, ErrConflict
	default:
		return 0, err
	}
}

// purge removes what is stored below a room's prefix before a sequence.
func (r *Rooms) purge(ctx context.Context, prefix string, before uint64) error {
	return r.opener.Stream().Purge(ctx, jetstream.WithPurgeSubject(prefix+">"), jetstream.WithPurgeSequence(before))
}
