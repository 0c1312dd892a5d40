package durable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

const (
	// snapshotKeys is how many subjects the server reads at one moment.
	snapshotKeys = 1024
	// pageKeys is how many it is asked for at a time in a room with more: some MB.
	pageKeys = 8192
)

var errTooMany = errors.New("more keys than a snapshot holds")

// image is what is stored of a room, by the tails of its subjects.
type image struct {
	keys map[string]stored
	next uint64 // what a scan has not yet seen begins here
}

func newImage() *image { return &image{keys: make(map[string]stored), next: 1} }

func (m *image) add(tail string, s stored) {
	if s.seq >= m.keys[tail].seq { // a key that was written during the scan comes twice
		m.keys[tail] = s
	}
	m.next = max(m.next, s.seq+1)
}

// snapshot reads all of a room as it is at one moment on one replica, or errTooMany.
func (r *Rooms) snapshot(ctx context.Context, prefix string) (*image, error) {
	var m *image
	var left uint64
	err := attempt(ctx, func(ctx context.Context) (err error) {
		m = newImage()
		left, err = r.batch(ctx, prefix, m, directRequest{Filters: []string{prefix + ">"}, Batch: snapshotKeys})
		return err
	})
	if err == nil && left > 0 {
		return nil, errTooMany
	}
	return m, err
}

// scan reads all of a room until it has seen the head of at least a sequence. What changes meanwhile is
// seen or not; the caller looks at the head again. A replica that is behind shows what was there before, never less, so
// that a page from it does no harm, and it does not show the head.
func (r *Rooms) scan(ctx context.Context, prefix string, head uint64) (*image, error) {
	m := newImage()
	for {
		var left uint64
		err := attempt(ctx, func(ctx context.Context) (err error) {
			left, err = r.batch(ctx, prefix, m, directRequest{Seq: m.next, NextFor: prefix + ">", Batch: pageKeys})
			return err
		})
		if err != nil {
			return nil, err
		}
		if left > 0 {
			continue
		}
		if m.keys[headTail].seq >= head {
			return m, nil
		}
		if err := wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// directRequest is a request for many messages, answered one message each and a last one with a status.
type directRequest struct {
	Seq     uint64   `json:"seq,omitempty"`
	NextFor string   `json:"next_by_subj,omitempty"`
	Filters []string `json:"multi_last,omitempty"`
	Batch   int      `json:"batch"`
}

// batch adds what is answered to the image and returns how many keys are left.
func (r *Rooms) batch(ctx context.Context, prefix string, m *image, request directRequest) (left uint64, err error) {
	data, err := json.Marshal(request)
	if err != nil {
		return 0, err
	}
	inbox, replies := r.conn.NewInbox(), make(chan *nats.Msg, request.Batch+1) // SubscribeSync makes room for 65,536
	sub, err := r.conn.ChanSubscribe(inbox, replies)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails when the connection is closed
	if err := r.conn.PublishRequest(directAPI, inbox, data); err != nil {
		return 0, err
	}
	for {
		var msg *nats.Msg
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case msg = <-replies:
		}
		if status := msg.Header.Get("Status"); status != "" {
			return endOf(msg, status)
		}
		tail, ok := strings.CutPrefix(msg.Header.Get("Nats-Subject"), prefix)
		if !ok {
			return 0, fmt.Errorf("direct get: subject %q", msg.Header.Get("Nats-Subject"))
		}
		s, err := storedOf(msg)
		if err != nil {
			return 0, err
		}
		m.add(tail, s)
	}
}

// endOf reads the last message of a batch.
func endOf(msg *nats.Msg, status string) (left uint64, err error) {
	switch status {
	case "204":
		left, err = strconv.ParseUint(msg.Header.Get("Nats-Num-Pending"), 10, 64)
		if err != nil {
			err = fmt.Errorf("direct get: pending: %w", err)
		}
		return left, err
	case "404":
		return 0, nil
	case "413":
		return 0, errTooMany
	case "503":
		return 0, nats.ErrNoResponders
	default:
		return 0, fmt.Errorf("direct get: %s %s", status, msg.Header.Get("Description"))
	}
}
