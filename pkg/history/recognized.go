package history

import (
	"time"

	"github.com/zeebo/xxh3"
)

// recognizedMost bounds how many ids one log recognizes: over it the oldest are forgotten before their time.
const recognizedMost = 1 << 20

// recognized is which publications with an id of their sender's were stored within DEDUPE_WINDOW. Ids are kept as
// hashes of 128 bits.
type recognized struct {
	offsets map[xxh3.Uint128]uint64
	order   []seen // oldest first
	early   int    // how many were forgotten before their time
}

type seen struct {
	id xxh3.Uint128
	at int64 // Unix ms
}

func (r *recognized) recognize(p *Publication, offset uint64, at, before time.Time) {
	r.expire(before)
	if at.Before(before) {
		return
	}
	if r.offsets == nil {
		r.offsets = make(map[xxh3.Uint128]uint64)
	}
	if len(r.order) >= recognizedMost {
		r.early++
		r.forget()
	}
	id := hashOf(p)
	if _, known := r.offsets[id]; !known {
		r.offsets[id] = offset
		r.order = append(r.order, seen{id, at.UnixMilli()})
	}
}

func hashOf(p *Publication) xxh3.Uint128 { return xxh3.HashString128(name(p)) }

// recall returns where a publication is that was stored before.
func (r *recognized) recall(p *Publication) (offset uint64, known bool) {
	if len(r.offsets) == 0 || broken("dedupe") {
		return 0, false
	}
	offset, known = r.offsets[hashOf(p)]
	return offset, known
}

func (r *recognized) expire(before time.Time) {
	for len(r.order) > 0 && r.order[0].at < before.UnixMilli() {
		r.forget()
	}
	if len(r.order) == 0 {
		*r = recognized{early: r.early}
	}
}

// displace takes it that the offsets are of an earlier numbering: what comes again is still recognized, but its offset is
// no longer known.
func (r *recognized) displace() {
	for id := range r.offsets {
		r.offsets[id] = 0
	}
}

func (r *recognized) forget() {
	delete(r.offsets, r.order[0].id)
	r.order = r.order[1:]
}

// Expire forgets the ids of publications that were stored before a time.
func (l *Log) Expire(before time.Time) { l.expire(before) }
