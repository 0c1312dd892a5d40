package wire

import (
	"encoding/binary"
	"errors"
	"iter"
)

// Version is the format version of a batch, its first byte.
const Version = 1

// HeaderSize is the length of an encoded Header in bytes.
const HeaderSize = 44

// MaxBatch is the size in bytes past which a batch under construction is sent at
// once rather than at the end of the turn. One record may exceed it (a payload of
// MAX_FRAME_SIZE); NATS' own limit is 1 MiB a message.
const MaxBatch = 128 << 10

// Errors of a batch that cannot be read.
var (
	ErrShort   = errors.New("wire: batch or record ends early")
	ErrVersion = errors.New("wire: batch of another format version")
)

// Header begins every batch: who sends it, on which link, and where in the link's
// sequence it stands (see pkg/link).
type Header struct {
	FromID   uint64 // sender's node ID
	FromInc  uint32 // sender's incarnation
	FromLane uint16 // sender's loop or lane
	Lanes    uint8  // how many loops or lanes the sender has
	ToInc    uint32 // incarnation of the receiver that is meant
	View     uint64 // version of the owners' view that the sender routed by
	Seq      uint64 // place in the link's sequence, from 1; 0: outside of it (acknowledgements)
	Base     uint64 // lowest sequence number that the sender can still resend
}

// AppendHeader appends h to b.
func AppendHeader(b []byte, h Header) []byte {
	b = append(b, Version, h.Lanes)
	b = binary.LittleEndian.AppendUint16(b, h.FromLane)
	b = binary.LittleEndian.AppendUint32(b, h.FromInc)
	b = binary.LittleEndian.AppendUint64(b, h.FromID)
	b = binary.LittleEndian.AppendUint64(b, h.View)
	b = binary.LittleEndian.AppendUint64(b, h.Seq)
	b = binary.LittleEndian.AppendUint64(b, h.Base)
	return binary.LittleEndian.AppendUint32(b, h.ToInc)
}

// PutSeq rewrites the Seq and Base of an encoded batch.
func PutSeq(b []byte, seq, base uint64) {
	binary.LittleEndian.PutUint64(b[24:], seq)
	binary.LittleEndian.PutUint64(b[32:], base)
}

// ParseHeader reads the header of a batch. It fails with ErrShort or ErrVersion.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, ErrShort
	}
	if b[0] != Version {
		return Header{}, ErrVersion
	}
	le := binary.LittleEndian
	return Header{
		Lanes:    b[1],
		FromLane: le.Uint16(b[2:]),
		FromInc:  le.Uint32(b[4:]),
		FromID:   le.Uint64(b[8:]),
		View:     le.Uint64(b[16:]),
		Seq:      le.Uint64(b[24:]),
		Base:     le.Uint64(b[32:]),
		ToInc:    le.Uint32(b[40:]),
	}, nil
}

// Record is one record of a batch. Body aliases the batch.
type Record struct {
	Kind Kind
	Body []byte
}

// Records yields the records of a batch in order. A batch that ends within a record
// yields what came before it and then ErrShort.
func Records(batch []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if len(batch) < HeaderSize {
			yield(Record{}, ErrShort)
			return
		}
		b := batch[HeaderSize:]
		for len(b) > 0 {
			if len(b) < 5 {
				yield(Record{}, ErrShort)
				return
			}
			n := binary.LittleEndian.Uint32(b)
			if n == 0 || uint64(n) > uint64(len(b)-4) {
				yield(Record{}, ErrShort)
				return
			}
			if !yield(Record{Kind: Kind(b[4]), Body: b[5 : 4+n]}, nil) {
				return
			}
			b = b[4+n:]
		}
	}
}

// begin starts a record of kind k at the end of b and returns where it began.
func begin(b []byte, k Kind) ([]byte, int) {
	return append(b, 0, 0, 0, 0, byte(k)), len(b)
}

// end closes the record that began at start.
func end(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// AppendRecord appends a record that is already encoded (a Body from Records).
func AppendRecord(b []byte, r Record) []byte {
	b, at := begin(b, r.Kind)
	return end(append(b, r.Body...), at)
}
