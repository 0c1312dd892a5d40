package history

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Publication is one message of a history. Strings and the payload of a decoded one alias its entry.
type Publication struct {
	SentAt    int64  // when its gateway read it, Unix milliseconds
	User      string // who sent it
	MessageID string
	Given     bool // MessageID is the sender's: the publication is recognized when it comes again
	Payload   []byte
	Metadata  string // what rules have set: raw JSON members; empty: nothing
}

// Entry is what one write stores: publications of one key, in order.
type Entry struct {
	Epoch        Epoch
	First        uint64 // offset of the first publication; the others follow without a gap
	Publications []Publication
}

// Last is the offset of the last publication.
func (e *Entry) Last() uint64 { return e.First + uint64(len(e.Publications)) - 1 }

// entryVersion is the first byte of an encoded entry. An entry of a higher version is none that this program can
// read, and an error.
const entryVersion = 1

var errEntry = errors.New("history: not an entry")

const (
	entryHeader  = 1 + 8 + 8 + 4
	flagGiven    = 1
	flagMetadata = 2
)

// appendEntry appends the beginning of an entry of n publications.
func appendEntry(b []byte, epoch Epoch, first uint64, n int) []byte {
	b = append(b, entryVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(epoch))
	b = binary.LittleEndian.AppendUint64(b, first)
	return binary.LittleEndian.AppendUint32(b, uint32(n))
}

// appendPublication appends the next publication of an entry.
func appendPublication(b []byte, p *Publication) []byte {
	var flags byte
	if p.Given {
		flags |= flagGiven
	}
	if p.Metadata != "" {
		flags |= flagMetadata
	}
	b = append(b, flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.SentAt))
	b = appendPart(b, p.User)
	b = appendPart(b, p.MessageID)
	b = appendPart(b, p.Payload)
	if p.Metadata != "" {
		b = appendPart(b, p.Metadata)
	}
	return b
}

func appendPart[T ~string | ~[]byte](b []byte, part T) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(part))), part...)
}

// Encode encodes an entry.
func (e *Entry) Encode() []byte {
	b := appendEntry(nil, e.Epoch, e.First, len(e.Publications))
	for i := range e.Publications {
		b = appendPublication(b, &e.Publications[i])
	}
	return b
}

// Decode reads an encoded entry; what it holds aliases b. An entry has at least one publication and a born epoch.
func (e *Entry) Decode(b []byte) error {
	if len(b) > 0 && b[0] != entryVersion {
		return fmt.Errorf("%w of version %d, which is newer", errEntry, b[0])
	}
	if len(b) < entryHeader {
		return errEntry
	}
	n := binary.LittleEndian.Uint32(b[17:])
	*e = Entry{Epoch: Epoch(binary.LittleEndian.Uint64(b[1:])), First: binary.LittleEndian.Uint64(b[9:])}
	b = b[entryHeader:]
	if n == 0 || e.First == 0 || e.First+uint64(n) < e.First || !e.Epoch.Born() || uint64(n)*(1+8+3*4) > uint64(len(b)) {
		return errEntry
	}
	e.Publications = make([]Publication, n)
	for i := range e.Publications {
		var ok bool
		if b, ok = e.Publications[i].decode(b); !ok {
			return errEntry
		}
	}
	if len(b) > 0 {
		return errEntry
	}
	return nil
}

func (p *Publication) decode(b []byte) (rest []byte, ok bool) {
	if len(b) < 9 || b[0]&^(flagGiven|flagMetadata) != 0 {
		return nil, false
	}
	p.Given = b[0]&flagGiven != 0
	hasMetadata := b[0]&flagMetadata != 0
	p.SentAt = int64(binary.LittleEndian.Uint64(b[1:]))
	b = b[9:]
	var user, id []byte
	if user, b, ok = cutPart(b); !ok {
		return nil, false
	}
	if id, b, ok = cutPart(b); !ok {
		return nil, false
	}
	p.User, p.MessageID = string(user), string(id)
	if p.Payload, b, ok = cutPart(b); !ok || !hasMetadata {
		return b, ok
	}
	var metadata []byte
	metadata, b, ok = cutPart(b)
	p.Metadata = string(metadata)
	return b, ok && len(metadata) > 0
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n : 4+n], b[4+n:], true
}
