package durable

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// stored is the latest message of a subject.
type stored struct {
	seq     uint64 // 0: there is none
	data    []byte
	removed bool // a deletion marker
}

// exists tells whether there is a value.
func (s stored) exists() bool { return s.seq > 0 && !s.removed }

func storedOf(m jsstream.Message) stored {
	return stored{seq: m.Seq, data: m.Data, removed: m.Header.Get(operation) != ""}
}

// latest reads the last message of the subjects that match, from the bucket's leader: what has been
// acknowledged is in it.
func (r *Rooms) latest(ctx context.Context, filter string) (stored, error) {
	m, found, err := jsstream.Latest(ctx, r.conn, stream, filter)
	if err != nil || !found {
		return stored{}, err
	}
	return storedOf(m), nil
}

// direct reads a subject's last message from any replica, which may be a moment behind.
func (r *Rooms) direct(ctx context.Context, at string) (stored, error) {
	var msg *nats.Msg
	err := jsstream.Ask(ctx, func(ctx context.Context) (err error) {
		msg, err = r.conn.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+stream+"."+at, nil)
		return err
	})
	if err != nil {
		return stored{}, err
	}
	switch status := msg.Header.Get("Status"); status {
	case "":
		m, err := jsstream.MessageOf(msg)
		return storedOf(m), err
	case "404":
		return stored{}, nil
	default:
		return stored{}, fmt.Errorf("direct get: %s %s", status, msg.Header.Get("Description"))
	}
}
