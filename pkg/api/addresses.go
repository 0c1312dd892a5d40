package api

import (
	"net/netip"
	"sync"
	"time"

	"github.com/realtime-cluster/realtime/pkg/limit"
)

// addressesMost is how many addresses are kept in mind. Were there more, those that have budget left are forgotten,
// which costs them nothing, and then any.
const addressesMost = 1 << 16

// addresses limits the requests from each address.
type addresses struct {
	rate limit.Rate // static
	on   bool       // static

	mu   sync.Mutex
	tats map[netip.Prefix]int64 // guarded by mu
}

func newAddresses(rps, burst int) *addresses {
	a := &addresses{on: rps > 0, tats: make(map[netip.Prefix]int64)}
	if a.on {
		a.rate = limit.NewRate(float64(rps), float64(burst))
	}
	return a
}

// take asks for one; where there is none, it tells how long to wait.
func (a *addresses) take(from netip.Prefix, now time.Time) (wait time.Duration, ok bool) {
	if !a.on {
		return 0, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	tat, known := a.tats[from]
	if !known && len(a.tats) >= addressesMost {
		a.forget(now.UnixNano())
	}
	wait, ok = a.rate.Take(&tat, now.UnixNano())
	a.tats[from] = tat
	return wait, ok
}

// forget makes room. mu is held.
func (a *addresses) forget(now int64) {
	for from, tat := range a.tats {
		if tat <= now {
			delete(a.tats, from)
		}
	}
	for from := range a.tats { // in no order
		if len(a.tats) < addressesMost/2 {
			break
		}
		delete(a.tats, from)
	}
}
