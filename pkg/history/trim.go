package history

import "time"

// trim knows where in the store a log's publications are, about every so many, so that those that are too many can be
// removed.
type trim struct {
	points []point // oldest first
}

type point struct {
	seq    uint64
	offset uint64 // of a publication in that entry
	at     time.Time
}

// note notes where a publication is.
func (t *trim) note(seq, offset uint64, at time.Time, size int) {
	n := len(t.points)
	if n > 0 && offset >= t.points[n-1].offset && offset < t.points[n-1].offset+uint64(max(64, size/16)) {
		return
	}
	if n > 0 && offset < t.points[n-1].offset {
		t.points = nil // another numbering
	}
	t.points = append(t.points, point{seq, offset, at})
}

// Trim returns before which entry all may be removed: those publications are more than the rule keeps, and too old
// to come again. 0: none.
func (l *Log) Trim(now time.Time) (before uint64) {
	for len(l.points) > 0 && l.points[0].offset+uint64(l.Rule.Size) <= l.top+1 && now.Sub(l.points[0].at) > l.window {
		before = l.points[0].seq
		l.points = l.points[1:]
	}
	return before
}

// Near returns sequence numbers of entries around a publication, as far as the log knows: of one that does not come after it, 0
// when none is known, and of one that comes after it.
func (l *Log) Near(offset uint64) (lo, hi uint64) {
	hi = l.seq + 1
	for _, p := range l.points {
		if p.offset <= offset {
			lo = p.seq
		} else {
			hi = min(hi, p.seq+1)
			break
		}
	}
	return lo, hi
}
