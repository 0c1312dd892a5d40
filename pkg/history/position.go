package history

import (
	"strconv"
	"time"
)

// Epoch names one numbering of a key's publications. When a key's history is gone, with the entries that told where
// it stood, a new numbering begins under a new epoch, and earlier positions are void.
//
// Epochs are ordered by their birth: the later one is the higher. The epoch of a history that has nothing yet, which
// is not Born, tells when that was seen.
type Epoch uint64

const (
	unborn     = 1 << 63
	epochShift = 20 // below it: random bits
)

// NewEpoch is the epoch of a numbering that begins now. noise is random.
func NewEpoch(now time.Time, noise uint64) Epoch {
	return Epoch(uint64(now.UnixMilli())<<epochShift&^unborn | noise&(1<<epochShift-1) | 1)
}

// Unborn is the epoch of a history that has nothing now.
func Unborn(now time.Time) Epoch { return Epoch(uint64(now.UnixMilli()) | unborn) }

// Born reports whether it is the epoch of a numbering that has begun.
func (e Epoch) Born() bool { return e != 0 && e&unborn == 0 }

// Before reports whether it is the epoch of a numbering that began before a time.
func (e Epoch) Before(t time.Time) bool { return e.Born() && int64(e>>epochShift) < t.UnixMilli() }

// SeenAt is when a history was seen that had nothing then; zero for the epoch of one that had.
func (e Epoch) SeenAt() time.Time {
	if e&unborn == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(e &^ unborn))
}

// String is the epoch as clients see it.
func (e Epoch) String() string { return strconv.FormatUint(uint64(e), 36) }

// ParseEpoch reads an epoch that a client gave back; 0, which is nobody's, when it is none.
func ParseEpoch(s string) Epoch {
	n, err := strconv.ParseUint(s, 36, 64)
	if err != nil {
		return 0
	}
	return Epoch(n)
}

// Position is a place in a history: all up to Offset.
type Position struct {
	Offset uint64
	Epoch  Epoch
}
