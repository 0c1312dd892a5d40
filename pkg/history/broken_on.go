//go:build broken

package history

import (
	"math"
	"os"
	"time"
)

// Unfenced stands for the entry before, in a Store's Append, where the entry is to be taken whatever the store has.
const Unfenced = math.MaxUint64

// brokenWay is in what way this program is wrong.
var brokenWay = os.Getenv("REALTIME_BREAK")

// Breaks reports whether this program was built with the tag broken and is to be wrong in a way, which the variable
// REALTIME_BREAK names: "fence" writes entries whatever was written before them, "early" delivers and acks
// publications before they are written, "dedupe" does not recognize what was stored before, "gap" is the
// gateway's.
func Breaks(way string) bool { return broken(way) }

func broken(way string) bool { return way == brokenWay }

// rush delivers and acks what is only about to be written.
func (l *Log) rush(now time.Time) {
	list := l.queue[:l.writing]
	l.epoch = l.next
	l.written(len(list), now)
	for _, it := range list {
		if it.done {
			l.shell.Ack(l, it, Position{it.offset, l.epoch}, false)
		}
	}
}
