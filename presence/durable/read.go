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

// lasts reads the last message of each of some subjects, where there is one, from any replica, which may be a moment behind. add may be told one
// twice.
func (r *Rooms) lasts(ctx context.Context, subjects []string, add func(subject string, s stored)) error {
	if len(subjects) == 1 {
		s, err := r.direct(ctx, subjects[0])
		if err == nil {
			add(subjects[0], s)
		}
		return err
	}
	var left uint64
	err := jsstream.Ask(ctx, func(ctx context.Context) (err error) {
		q := jsstream.Query{Last: subjects, Batch: len(subjects)}
		left, err = jsstream.Batch(ctx, r.conn, stream, q, func(m jsstream.Message) { add(m.Subject, storedOf(m)) })
		return err
	})
	if err != nil || left == 0 {
		return err
	}
	// More bytes than the server sends at once.
	half := len(subjects) / 2
	if err := r.lasts(ctx, subjects[:half], add); err != nil {
		return err
	}
	return r.lasts(ctx, subjects[half:], add)
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
