package stream

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/realtime-cluster/realtime/pkg/history"
)

// What may be under way at a time. Beyond it Append fails.
const (
	maxWrites = 16_384
	maxBytes  = 64 << 20
)

// write is one Append. It belongs to Run once it is in Store.writes.
type write struct {
	partition *partition
	subject   string
	after     uint64
	data      []byte
	done      func(uint64, error)
	deadline  time.Time
	sent      bool // it may be stored
}

// Append implements history.Store. done is called on the goroutine of Run, so that it must not block, or on one of
// its own where the Store is not running or too much is under way.
//
// It is told history.ErrUnavailable at the latest when the timeout is over: of a write that nobody answered, of one
// that was on its way when the connection got lost, and of all of them when Run ends. A write that certainly met no
// leader of its stream is repeated until then, and the stream made if there is none; so is one that met another of
// its key on its way, so that history.ErrConflict means that another was written.
func (s *Store) Append(key string, after uint64, data []byte, done func(seq uint64, err error)) {
	p := s.partition(key)
	w := &write{partition: p, subject: p.subject(key), after: after, data: data, done: done, deadline: time.Now().Add(s.timeout)}
	if err := s.accept(w); err != nil {
		s.note(p, "append", err)
		go done(0, err)
	}
}

// accept gives a write to Run.
func (s *Store) accept(w *write) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.running {
		return errStopped
	}
	size := int64(len(w.data))
	n, bytes := s.underWay.Add(1), s.size.Add(size)
	if n > maxWrites || bytes > maxBytes && bytes > size {
		s.release(w)
		return errOverflow
	}
	s.writes <- w // has room for as many as are under way
	return nil
}

func (s *Store) release(w *write) {
	s.underWay.Add(-1)
	s.size.Add(-int64(len(w.data)))
}

// finish tells a write's end.
func (s *Store) finish(w *write, seq uint64, err error) {
	s.release(w)
	s.note(w.partition, "append", err)
	w.done(seq, err)
}

// message is what a write sends.
func (w *write) message(reply string) *nats.Msg {
	m := &nats.Msg{
		Subject: w.subject,
		Reply:   reply,
		Header: nats.Header{
			jetstream.ExpectedStreamHeader:      {w.partition.stream},
			jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(w.after, 10)},
		},
		Data: w.data,
	}
	if history.Breaks("fence") && w.after == history.Unfenced {
		delete(m.Header, jetstream.ExpectedLastSubjSeqHeader)
	}
	return m
}
