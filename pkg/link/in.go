package link

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// AckDelay is how long a receiver may leave a batch unacknowledged; it acknowledges
// sooner where it sends to that node anyhow, and after AckBytes.
const (
	AckDelay = 25 * time.Millisecond
	AckBytes = 256 << 10
)

// In is the receiving half of a link. Its zero value has received nothing. It is
// owned by one goroutine.
type In struct {
	last  uint64 // last sequence number taken
	bytes int    // taken since the last acknowledgement
	due   bool   // an acknowledgement is owed
	again bool   // and it asks for a repeat
	gapAt uint64 // the gap that was asked for

	lost uint64
}

// Take decides on a batch of size bytes: true, the next one, to be dealt with now; false, one
// that came before, or one behind a gap, which will come again.
func (in *In) Take(h wire.Header, size int) bool {
	if h.Base > in.last+1 {
		// The sender no longer has what is missing.
		in.lost += h.Base - in.last - 1
		in.last = h.Base - 1
	}
	switch {
	case h.Seq == in.last+1:
		in.last = h.Seq
		in.bytes += size
		in.due, in.gapAt = true, 0
		return true
	case h.Seq <= in.last:
		in.due = true // a repeat: our acknowledgement was lost
	case in.gapAt != in.last+1:
		in.gapAt = in.last + 1 // ask once; a silence brings the next attempt
		in.due, in.again = true, true
	}
	return false
}

// Due reports whether an acknowledgement is owed, and whether it should not wait for
// AckDelay.
func (in *In) Due() (owed, now bool) {
	return in.due, in.again || in.bytes >= AckBytes
}

// Ack returns the acknowledgement and takes it as sent.
func (in *In) Ack() (seq uint64, again bool) {
	seq, again = in.last, in.again
	in.due, in.again, in.bytes = false, false, 0
	return seq, again
}

// Lost counts the batches that the sender dropped before they arrived.
func (in *In) Lost() uint64 { return in.lost }
