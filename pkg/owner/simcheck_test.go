package owner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// simCheck judges what the simulated clients see.
type simCheck struct {
	sim     *sim
	order   map[string][]string           // by key: what its owners applied, in order
	place   map[string]int                // by key and message: its place there
	seen    map[*simLoop]map[string][]int // by key: places, in the order of arrival
	floor   map[*simLoop]map[string]int   // by key: messages published since are owed
	owed    map[string][]simMessage       // by key, in the order of publishing
	acked   map[string]bool               // by key and message
	last    map[string]int                // by key and publisher: the last number applied
	wishes  int                           // publishes not answered yet
	late    float64                       // holds that ended by time, of routers that were counted
	refused float64                       // records refused, likewise
	denied  int                           // publishes answered 503
	fallen  int                           // loops that failed
}

type simMessage struct {
	id   string // publisher/number
	from *simLoop
}

func newSimCheck(s *sim) *simCheck {
	return &simCheck{
		sim: s, order: make(map[string][]string), place: make(map[string]int),
		seen: make(map[*simLoop]map[string][]int), floor: make(map[*simLoop]map[string]int),
		owed: make(map[string][]simMessage), acked: make(map[string]bool), last: make(map[string]int),
	}
}

// count adds what a router has done.
func (c *simCheck) count(r *simRouter) {
	c.late += testutil.ToFloat64(r.lanes[0].metrics.holdTimeouts)
	c.refused += testutil.ToFloat64(r.lanes[0].metrics.refused)
}

// smooth checks that everybody followed in time, and that nothing was refused.
func (c *simCheck) smooth() {
	c.sim.Helper()
	for _, r := range c.sim.routers {
		if r.self.State != gone {
			c.count(r)
		}
	}
	if c.late+c.refused > 0 || c.denied > 0 {
		c.sim.Fatalf("%v holds ended by time, %v records refused, %d publishes answered 503", c.late, c.refused, c.denied)
	}
}

func (c *simCheck) sent(l *simLoop, key string, n int) {
	c.wishes++
	c.owed[key] = append(c.owed[key], simMessage{fmt.Sprintf("%s/%d", l.name(), n), l})
}

func (c *simCheck) answered(l *simLoop, key string, n int, ok bool) {
	c.wishes--
	if ok {
		c.acked[fmt.Sprintf("%s %s/%d", key, l.name(), n)] = true
	} else {
		c.denied++
	}
}

// applied is told by the owners.
func (c *simCheck) applied(key, id string) {
	if _, twice := c.place[key+" "+id]; twice {
		c.sim.Fatalf("%s: %s applied twice", key, id)
	}
	c.place[key+" "+id] = len(c.order[key])
	c.order[key] = append(c.order[key], id)
	publisher, number, _ := strings.Cut(id, "/")
	n, _ := strconv.Atoi(number)
	if before, ok := c.last[key+" "+publisher]; ok && before > n {
		c.sim.Fatalf("%s: %s applied after %s/%d", key, id, publisher, before)
	}
	c.last[key+" "+publisher] = n
}

// delivered is told of what comes to somebody who is subscribed.
func (c *simCheck) delivered(l *simLoop, key, id string) {
	place, ok := c.place[key+" "+id]
	if !ok {
		c.sim.Fatalf("%s: loop %s got %s, which nobody applied", key, l.name(), id)
	}
	if c.seen[l] == nil {
		c.seen[l] = make(map[string][]int)
	}
	seen := c.seen[l][key]
	if len(seen) > 0 && seen[len(seen)-1] >= place {
		c.sim.Fatalf("%s: loop %s got %s after %s, applied before it", key, l.name(), id, c.order[key][seen[len(seen)-1]])
	}
	c.seen[l][key] = append(seen, place)
}

func (c *simCheck) joined(l *simLoop, key string) {
	if c.floor[l] == nil {
		c.floor[l] = make(map[string]int)
	}
	c.floor[l][key] = len(c.owed[key])
}

// fell forgets what the clients of a loop are owed.
func (c *simCheck) fell(l *simLoop) {
	c.fallen++
	delete(c.floor, l)
	for _, o := range l.ops {
		if o.kind == wire.KindPublish {
			c.wishes--
		}
	}
}

func (c *simCheck) left(l *simLoop, key string) { delete(c.floor[l], key) }

// fresh forgets what was owed so far.
func (c *simCheck) fresh() {
	for _, keys := range c.floor {
		for key := range keys {
			keys[key] = len(c.owed[key])
		}
	}
	c.denied = 0
}

// complete checks, once all is quiet, that everybody has what is owed: what was published
// after the subscription, and acked.
func (c *simCheck) complete() {
	c.sim.Helper()
	for l, keys := range c.floor {
		for key, from := range keys {
			for _, m := range c.owed[key][from:] {
				place, ok := c.place[key+" "+m.id]
				if !c.acked[key+" "+m.id] {
					continue
				}
				if !ok {
					c.sim.Fatalf("%s: %s was acked, and never applied", key, m.id)
				}
				if _, has := slices.BinarySearch(c.seen[l][key], place); !has {
					c.sim.Fatalf("%s: loop %s misses %s", key, l.name(), m.id)
				}
			}
		}
	}
	if c.wishes != 0 {
		c.sim.Fatalf("%d publishes were never answered", c.wishes)
	}
}

// interest checks, once all is quiet, that the owners know who wants what, and nobody else
// keeps anything.
func (c *simCheck) interest() {
	c.sim.Helper()
	for i := range simKeys {
		key := simKey(i)
		var want []string
		for _, g := range c.sim.gateways {
			for _, l := range g.loops {
				if e := l.entries[key]; e != nil && e.on {
					want = append(want, l.name())
				}
			}
		}
		slices.Sort(want)
		for _, r := range c.sim.routers {
			for _, l := range r.lanes {
				got, owns := l.handler.(interface{ interest(key string) []string }).interest(key), l.owns(cluster.Hash(key))
				switch {
				case r.self.State == gone:
				case !owns && len(got) > 0:
					c.sim.Fatalf("%s lane %d keeps %s, which it does not own, for %v", r.self.Ref, l.index, key, got)
				case owns && !slices.Equal(got, want):
					c.sim.Fatalf("%s lane %d sends %s to %v, want %v", r.self.Ref, l.index, key, got, want)
				}
			}
		}
	}
}
