package history

import (
	"slices"
	"sort"
	"time"
)

// What a log remembers of its latest publications, at most; no more than its rule keeps, either.
const (
	RingMost  = 1024
	RingBytes = 1 << 20
)

// Recent is a publication that is remembered as it goes to subscribers.
type Recent struct {
	Offset uint64
	Seq    uint64 // of its entry in the store
	At     time.Time
	Frame  []byte
}

// ring is a log's latest publications, without a gap, the last one included.
type ring struct {
	recent []Recent // oldest first
	weight int      // bytes of frames
}

// push adds the next publication. What it returns is valid until the next call.
func (r *ring) push(next Recent) *Recent {
	r.recent = append(r.recent, next)
	r.weight += len(next.Frame)
	r.shrink(RingMost, RingBytes)
	return &r.recent[len(r.recent)-1]
}

// shrink forgets the oldest, but not the last one.
func (r *ring) shrink(most, bytes int) {
	for len(r.recent) > 1 && (len(r.recent) > most || r.weight > bytes) {
		r.weight -= len(r.recent[0].Frame)
		r.recent[0] = Recent{}
		r.recent = r.recent[1:]
	}
}

func (r *ring) clear() { r.recent, r.weight = nil, 0 }

// Remembered is how many bytes of frames the log remembers, roughly.
func (r *ring) Remembered() int { return r.weight + len(r.recent)*int(recentSize) }

const recentSize = 80

// Forget gives up what is remembered.
func (r *ring) Forget() { r.recent, r.weight = nil, 0 }

// Since returns what is remembered behind an offset: at most that many, and no more once they have that many
// bytes. ok is false when the first of them is not remembered.
func (r *ring) since(after uint64, most, bytes int) (list []Recent, ok bool) {
	if len(r.recent) == 0 || r.recent[0].Offset > after+1 {
		return nil, false
	}
	i := sort.Search(len(r.recent), func(i int) bool { return r.recent[i].Offset > after })
	n, size := i, 0
	for n < len(r.recent) && n-i < most && size < bytes {
		size += len(r.recent[n].Frame)
		n++
	}
	return r.recent[i:n], true
}

// Oldest is the first that is remembered, nil when nothing is.
func (r *ring) Oldest() *Recent {
	if len(r.recent) == 0 {
		return nil
	}
	return &r.recent[0]
}

// Since returns up to most publications behind an offset, and no more once they have that many bytes. ok is false when the
// log does not remember the first of them: it has to be read from the store. The list is valid until the log is used again.
func (l *Log) Since(after uint64, most, bytes int) (list []Recent, ok bool) {
	if after >= l.top {
		return nil, true
	}
	return l.since(after, most, bytes)
}

// Restore adds older publications to what is remembered: those before the oldest, without a gap. It reports whether they fit.
func (l *Log) Restore(older []Recent) bool {
	end := l.top + 1
	if o := l.Oldest(); o != nil {
		end = o.Offset
	}
	i := len(older)
	for i > 0 && older[i-1].Offset >= end {
		i--
	}
	older = older[:i]
	if i == 0 || older[i-1].Offset != end-1 {
		return false
	}
	for _, r := range older {
		l.weight += len(r.Frame)
	}
	l.recent = append(slices.Clip(older), l.recent...)
	l.shrink(RingMost, RingBytes)
	return true
}

// Fits reports whether the log may remember what lies behind an offset.
func (l *Log) Fits(after uint64) bool { return l.top-after <= RingMost }
