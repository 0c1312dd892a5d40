package gateway

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/limit"
)

// globalBatch is how many messages a loop takes from the gateway's part at once, at most.
const globalBatch = 32

// globalBudget is the gateway's part of the one budget for the cluster. Each gateway's heartbeat says how many messages a
// second would be held against it, and from what all say each works out its own part (limit.Share). The
// gateway's own demand counts as it was last told, so that all reckon with the same numbers.
type globalBudget struct {
	// Static.
	rate, burst   float64
	demand, share prometheus.Gauge

	mu     sync.Mutex
	bucket limit.Bucket // guarded by mu
	tried  limit.Meter  // guarded by mu
	told   float64      // guarded by mu: the demand in our last heartbeat, messages a second
	begun  bool         // guarded by mu
}

func newGlobalBudget(rate, burst float64, m *metrics) *globalBudget {
	g := &globalBudget{
		rate: rate, burst: burst, demand: m.globalDemand, share: m.globalShare,
		bucket: limit.NewBucket(limit.NewRate(rate, burst)), tried: limit.NewMeter(0),
	}
	g.share.Set(rate)
	return g
}

// tell is the demand for the heartbeat that is about to be sent.
func (g *globalBudget) tell(now int64) float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = g.tried.Rate(now)
	return g.told
}

// follow takes what the other gateways demand.
func (g *globalBudget) follow(others []float64, now int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.begun && len(others) > 0 { // the burst may be used up elsewhere
		g.bucket.TakeSome(int(g.bucket.Left(now)), now)
	}
	g.begun = true
	g.demand.Set(g.tried.Rate(now))
	sum := g.told
	for _, d := range others {
		sum += d
	}
	share := limit.Share(g.told/g.rate, sum/g.rate, len(others)+1)
	g.bucket.Set(limit.NewRate(g.rate*share, g.burst*share), now)
	g.share.Set(g.rate * share)
}

// take gives a loop some of what is left; none: 0.
func (g *globalBudget) take(now int64, loops int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	// When little is left, what one loop holds until the end of its turn the others lack.
	return g.bucket.TakeSome(max(1, min(globalBatch, int(g.bucket.Left(now))/(2*loops))), now)
}

// wait is how long one who is refused is to wait.
func (g *globalBudget) wait(now int64) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(1, g.bucket.Wait(now))
}

// settle takes back what a loop has left at the end of its turn, and counts what was held against the limit.
func (g *globalBudget) settle(left, tried int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bucket.Give(left)
	g.tried.Add(tried)
}

// takeGlobal takes one from the common budget. It returns how long to wait when there is none.
func (l *loop) takeGlobal(g *globalBudget, now int64) time.Duration {
	l.tried++
	if l.tokens == 0 {
		if l.tokens = g.take(now, len(l.gw.loops)); l.tokens == 0 {
			return g.wait(now)
		}
	}
	l.tokens--
	return 0
}

// settleGlobal ends a turn.
func (l *loop) settleGlobal() {
	if l.tried > 0 {
		l.gw.limits.global.settle(l.tokens, l.tried)
		l.tokens, l.tried = 0, 0
	}
}
