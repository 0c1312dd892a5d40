package gateway

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-cluster/realtime/pkg/limit"
)

const (
	// budgetIdle is how long a budget that is whole again is kept.
	budgetIdle = int64(time.Second)
	// reportEvery is the least time between two reports of what a user would send; reportAgain is when one is sent
	// although nothing has changed, so that an owner that is new knows it.
	reportEvery = int64(tickLength)
	reportAgain = int64(time.Second)
	// unheardTime is how long a share counts while reports stay without an answer.
	unheardTime = int64(5 * time.Second)
)

// userBudget is what the messages of one user are held against on this gateway. It begins with the user's first message, and
// is given up when nothing of it is used. Where the user is on several gateways, it is a share of the user's
// budget that the user's owner assigns, by what each gateway reports.
type userBudget struct {
	user string      // static
	dead atomic.Bool // it is not the user's any more

	mu     sync.Mutex
	bucket limit.Bucket // guarded by mu, as the rest
	tried  limit.Meter
	last   int64 // when a message was held against it

	gateways   int     // the user is on, as the owner said last; 0 or 1: only on this one
	share      float64 // of the user's budget
	pins       uint64  // loops on which the user is, of one who is on several gateways: bit by loop
	looked     int64   // when a loop last saw to it that it is reported; 0: none does
	reported   float64 // what was reported last, a part of the user's whole budget
	reportedAt int64
	unheard    int64 // since when reports have stayed without an answer; 0: they have not
	asked      bool  // the owner lacks a report
}

// take takes one. report asks the loop to see to it that the demand is reported.
func (b *userBudget) take(now int64) (wait time.Duration, ok, report bool) {
	b.mu.Lock()
	b.last = now
	b.tried.Add(1)
	if b.gateways > 1 && now-b.looked > 4*reportEvery {
		b.looked, report = now, true
	}
	if ok = b.bucket.Take(now); !ok {
		wait = max(1, b.bucket.Wait(now))
	}
	b.mu.Unlock()
	return wait, ok, report
}

func (b *userBudget) give() {
	b.mu.Lock()
	b.bucket.Give(1)
	b.mu.Unlock()
}

// assign sets the share that the user's owner gives.
func (b *userBudget) assign(us *userBudgets, share float64, gateways int, asked bool, now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share, b.gateways, b.asked, b.unheard = share, gateways, asked, 0
	b.bucket.Set(us.part(share), now)
}

// pin notes that the user is on a loop, or no longer is.
func (b *userBudget) pin(loop int, on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pins &^= 1 << loop; on {
		b.pins |= 1 << loop
	}
}

// report tells what to report to the user's owner now, if anything, and whether to look again at the next tick.
func (b *userBudget) report(us *userBudgets, now int64) (demand float64, due, again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	demand = b.tried.Rate(now) / us.rate
	if demand < 1e-3 {
		demand = 0
	}
	if b.gateways <= 1 || demand == 0 && b.reported == 0 {
		b.looked, b.unheard, b.reported = 0, 0, 0
		return 0, false, false
	}
	b.looked = now
	if b.unheard != 0 && now-b.unheard > unheardTime {
		// Whoever has the other shares hears nothing either, perhaps: this adds up.
		b.share = 1 / float64(b.gateways)
		b.bucket.Set(us.part(b.share), now)
	}
	since := now - b.reportedAt
	notable := math.Abs(demand-b.reported) > 0.02+0.1*b.reported || demand == 0
	if since < reportEvery || !notable && !b.asked && since < reportAgain {
		return 0, false, true
	}
	b.reported, b.reportedAt, b.asked = demand, now, false
	if b.unheard == 0 && demand > 0 {
		b.unheard = now
	}
	return demand, true, true
}

// spent reports whether a budget is of no more use, and ends it then: a new one would be the same.
func (b *userBudget) spent(now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pins != 0 || now-b.last < budgetIdle || !b.bucket.Full(now) {
		return false
	}
	b.dead.Store(true)
	return true
}
