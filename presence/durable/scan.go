package durable

import (
	"context"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// pageKeys is how many keys the server is asked for at a time in a room with more than it reads at one moment:
// some MB.
const pageKeys = 8192

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

// snapshot reads all of a room as it is at one moment on one replica, or jsstream.ErrTooMany.
func (r *Rooms) snapshot(ctx context.Context, prefix string) (*image, error) {
	var m *image
	var left uint64
	err := jsstream.Ask(ctx, func(ctx context.Context) (err error) {
		m = newImage()
		left, err = r.batch(ctx, prefix, m, jsstream.Query{Last: []string{prefix + ">"}, Batch: jsstream.MaxLast})
		return err
	})
	if err == nil && left > 0 {
		return nil, jsstream.ErrTooMany
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
		err := jsstream.Ask(ctx, func(ctx context.Context) (err error) {
			left, err = r.batch(ctx, prefix, m, jsstream.Query{Seq: m.next, NextFor: prefix + ">", Batch: pageKeys})
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
		if err := jsstream.Wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// batch adds what is answered to the image and returns how many keys are left. A room has no subjects but those
// below its prefix.
func (r *Rooms) batch(ctx context.Context, prefix string, m *image, q jsstream.Query) (left uint64, err error) {
	return jsstream.Batch(ctx, r.conn, stream, q, func(msg jsstream.Message) {
		m.add(strings.TrimPrefix(msg.Subject, prefix), storedOf(msg))
	})
}
