package link

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// AckDelay is how long a receiver may leave a batch unacknowledged; it acknowledges
// sooner where it sends to that node anyhow, and after AckBytes or AckBatches: the sender
// has to stop when too much is unacknowledged.
const (
	AckDelay   = 25 * time.Millisecond
	AckBytes   = windowBytes / 16
	AckBatches = windowBatches / 8
)

// In is the receiving half of a link. Its zero value has received nothing. It is
// owned by one goroutine.
type In struct {
	last    uint64 // last sequence number taken
	bytes   int    // taken since the last acknowledgement
	batches int    // likewise
	due     bool   // an acknowledgement is owed
	again   bool   // and it asks for a repeat
	beyond  uint64 // the last one seen behind a gap that was asked for; 0: there is none

	lost uint64
}

// Take decides on a batch of size bytes: true, the next one, to be dealt with now; false, one
// that came before, or one behind a gap, which will come again.
func (in *In) Take(h wire.Header, size int) bool {
	if h.Base > in.last+1 {
		// The sender no longer has what is missing.
		in.lost += h.Base - in.last - 1
		in.last, in.beyond = h.Base-1, 0
	}
	switch {
	case h.Seq == in.last+1:
		in.last, in.beyond = h.Seq, 0
		in.bytes += size
		in.batches++
		in.due = true
		return true
	case h.Seq <= in.last:
		in.due = true // a repeat: our acknowledgement was lost
	default:
		// Ask once for each gap, and again when the sender repeats itself behind it: then
		// what it sent for the asking, or the asking, was lost.
		if in.beyond == 0 || h.Seq <= in.beyond {
			in.due, in.again = true, true
		}
		in.beyond = h.Seq
	}
	return false
}

// Due reports whether an acknowledgement is owed, and whether it should not wait for
// AckDelay.
func (in *In) Due() (owed, now bool) {
	return in.due, in.again || in.bytes >= AckBytes || in.batches >= AckBatches
}

// Ack returns the acknowledgement and takes it as sent.
func (in *In) Ack() (seq uint64, again bool) {
	seq, again = in.last, in.again
	in.due, in.again, in.bytes, in.batches = false, false, 0, 0
	return seq, again
}

// Lost counts the batches that the sender dropped before they arrived.
func (in *In) Lost() uint64 { return in.lost }
