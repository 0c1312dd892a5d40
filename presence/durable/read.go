package durable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stored is the latest message of a subject.
type stored struct {
	seq     uint64 // 0: there is none
	data    []byte
	removed bool // a deletion marker
}

// exists tells whether there is a value.
func (s stored) exists() bool { return s.seq > 0 && !s.removed }

const (
	latestAPI = "$JS.API.STREAM.MSG.GET." + stream
	directAPI = "$JS.API.DIRECT.GET." + stream
)

// asks are the pauses between requests that nobody answers for: the bucket's leader is being elected, or the
// bucket has just been made.
var asks = []time.Duration{20 * time.Millisecond, 80 * time.Millisecond, 200 * time.Millisecond}

// ask makes a request of JetStream that only reads. One that gets lost is made again.
func (r *Rooms) ask(ctx context.Context, at string, data []byte) (msg *nats.Msg, err error) {
	for tries := 0; ; {
		err = attempt(ctx, func(ctx context.Context) error {
			msg, err = r.conn.RequestWithContext(ctx, at, data)
			return err
		})
		if !errors.Is(err, nats.ErrNoResponders) || tries == len(asks) || wait(ctx, asks[tries]) != nil {
			return msg, err
		}
		tries++
	}
}

// latest reads the last message of the subjects that match, from the bucket's leader: what has been
// acknowledged is in it.
func (r *Rooms) latest(ctx context.Context, filter string) (stored, error) {
	request, err := json.Marshal(struct {
		LastFor string `json:"last_by_subj"`
	}{filter})
	if err != nil {
		return stored{}, err
	}
	msg, err := r.ask(ctx, latestAPI, request)
	if err != nil {
		return stored{}, err
	}
	var reply struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Seq    uint64 `json:"seq"`
			Data   []byte `json:"data"`
			Header []byte `json:"hdrs"`
		} `json:"message"`
	}
	switch err := json.Unmarshal(msg.Data, &reply); {
	case err != nil:
		return stored{}, fmt.Errorf("read the leader's reply: %w", err)
	case reply.Error != nil && reply.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return stored{}, nil
	case reply.Error != nil:
		return stored{}, reply.Error
	case reply.Message == nil:
		return stored{}, errors.New("read the leader's reply: no message")
	}
	m := reply.Message
	s := stored{seq: m.Seq, data: m.Data}
	if len(m.Header) > 0 {
		header, err := nats.DecodeHeadersMsg(m.Header)
		if err != nil {
			return stored{}, fmt.Errorf("read the leader's reply: %w", err)
		}
		s.removed = header.Get(operation) != ""
	}
	return s, nil
}

// direct reads a subject's last message from any replica, which may be a moment behind.
func (r *Rooms) direct(ctx context.Context, at string) (stored, error) {
	msg, err := r.ask(ctx, directAPI+"."+at, nil)
	if err != nil {
		return stored{}, err
	}
	switch status := msg.Header.Get("Status"); status {
	case "":
		return storedOf(msg)
	case "404":
		return stored{}, nil
	default:
		return stored{}, fmt.Errorf("direct get: %s %s", status, msg.Header.Get("Description"))
	}
}

// storedOf is what a reply of direct get holds.
func storedOf(msg *nats.Msg) (stored, error) {
	seq, err := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return stored{}, fmt.Errorf("direct get: sequence: %w", err)
	}
	return stored{seq: seq, data: msg.Data, removed: msg.Header.Get(operation) != ""}, nil
}
