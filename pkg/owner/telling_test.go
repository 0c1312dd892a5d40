package owner

import (
	"testing"

	"github.com/realtime-cluster/realtime/pkg/cluster"
)

// What a lane tells in Moved is there when the receiver's Opened is called, also where it comes before the
// receiver has heard of the view: owners that come and leave one after the other lose no count.
func TestMovedComesBeforeOpened(t *testing.T) {
	ahead := 0
	seeds(t, func(t *testing.T, seed uint64) {
		s := newSimOf(t, seed)
		all := newTellingSim(s)
		s.run(simSteps)
		all.verify()
		ahead += all.ahead
	})
	if ahead == 0 {
		t.Fatal("no record came by a view that was still to come")
	}
}

// An owner that was deposed has forgotten everything, and is told it again: by the gateways, and by the
// other owners.
func TestDeposed(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := newSimOf(t, seed)
		all := newTellingSim(s)
		s.run(simSteps)
		var active []*simRouter
		for _, r := range s.routers {
			if r.self.State == cluster.Active {
				active = append(active, r)
			}
		}
		r := active[s.rng.IntN(len(active))]
		all.depose(r)
		s.settle()
		if r.lanes[0].Self().Inc != 1 {
			t.Fatal("it does not know")
		}
		s.check.interest()
		all.verify()
		s.probe()
		all.verify()
	})
}
