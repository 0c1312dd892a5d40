package presence

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// digestTime is after how long without a digest a gateway loop is asked to tell its users again. A loop with users
// here sends one every two seconds; of one without, who is known here is a ghost.
const digestTime = 5 * time.Second

// compare holds a gateway loop's digest against what is known here, and asks to be told again where they
// differ: a record was lost, or refused.
func (r *registry) compare(from owner.Source, d wire.Digest) {
	at := place{from.Gateway, from.Loop}
	r.heard[at] = r.lane.Now()
	if r.lane.Open() && !r.agrees(at, d) {
		r.resync(at)
	}
}

// resync asks a gateway loop to tell its users again.
func (r *registry) resync(at place) {
	r.metrics.resyncs.Inc()
	r.lane.End(at.gateway, wire.AppendResync(r.lane.Begin(at.gateway), wire.Resync{Loop: uint8(at.loop)}))
}

// tickDigests looks for loops that have users here and send no digest.
func (r *registry) tickDigests(now time.Time) {
	for at := range r.heard {
		if _, known := r.digests[at]; !known {
			delete(r.heard, at)
		}
	}
	for at := range r.digests {
		heard, ok := r.heard[at]
		if ok && now.Sub(heard) < digestTime {
			continue
		}
		if r.heard[at] = now; ok && r.lane.Open() {
			r.resync(at)
		}
	}
}
