package gateway

import (
	"sync"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/limit"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	budgetShards = 64
	// sweepTicks is in how many ticks all of them are looked through once, and forgetTicks after how many a loop
	// forgets which budgets its users have: the next message finds them again.
	sweepTicks  = 4
	forgetTicks = 32
)

// userBudgets is the budgets of the users who were active of late. There is one for each user, whatever loops
// the user is on.
type userBudgets struct {
	rate, burst float64 // static: the whole budget, messages a second and at once
	shards      [budgetShards]budgetShard
}

type budgetShard struct {
	mu    sync.Mutex
	users map[string]*userBudget // guarded by mu
}

func newUserBudgets(rate, burst float64) *userBudgets {
	us := &userBudgets{rate: rate, burst: burst}
	for i := range us.shards {
		us.shards[i].users = make(map[string]*userBudget)
	}
	return us
}

// part is a share of the whole budget.
func (us *userBudgets) part(share float64) limit.Rate {
	return limit.NewRate(us.rate*max(share, 1e-6), us.burst*share)
}

func (us *userBudgets) shard(user string) *budgetShard {
	return &us.shards[cluster.Hash(user)%budgetShards]
}

// find returns a user's budget, nil when there is none.
func (us *userBudgets) find(user string) *userBudget {
	s := us.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[user]
}

// get finds or begins a user's budget.
func (us *userBudgets) get(user string, now int64) *userBudget {
	s := us.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.users[user]
	if b == nil {
		b = &userBudget{
			user: user, share: 1, last: now, bucket: limit.NewBucket(us.part(1)), tried: limit.NewMeter(now),
		}
		s.users[user] = b
	}
	return b
}

// sweep gives up those that are of no more use.
func (s *budgetShard) sweep(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for user, b := range s.users {
		if b.spent(now) {
			delete(s.users, user)
		}
	}
}

// unpin forgets what a loop had pinned in an earlier life.
func (us *userBudgets) unpin(loop int) {
	for i := range us.shards {
		s := &us.shards[i]
		s.mu.Lock()
		for _, b := range s.users {
			b.pin(loop, false)
		}
		s.mu.Unlock()
	}
}

// userBudget returns the budget of a connection's user. Frames of one connection come in a row: the last is remembered.
func (l *loop) userBudget(c *conn, now int64) *userBudget {
	if b := l.budget; b != nil && l.budgetOf == (connRef{c.slot, c.gen}) && !b.dead.Load() {
		return b
	}
	b := l.budgets[c.user]
	if b == nil || b.dead.Load() {
		b = l.gw.limits.users.get(c.user, now)
		if l.budgets == nil {
			l.budgets = make(map[string]*userBudget)
		}
		l.budgets[b.user] = b
	}
	l.budget, l.budgetOf = b, connRef{c.slot, c.gen}
	return b
}

// shared takes the share of a user's budget that the user's owner assigns to this gateway.
func (l *loop) shared(s *wire.Share) {
	us := l.gw.limits.users
	if us == nil {
		return
	}
	now := l.clock()
	me := l.entries[s.Key]
	if me == nil || s.Gateways <= 1 {
		// Of one who is not here, or nowhere else, only what is there already matters.
		if b := us.find(wire.Name(s.Key)); b != nil {
			b.assign(us, float64(s.Share)/wire.WholeShare, int(s.Gateways), s.Unknown, now)
		}
		l.unpinBudget(s.Key)
		return
	}
	b := l.pinned[me.name]
	if b == nil {
		b = us.get(wire.Name(me.name), now)
		b.pin(l.index, true)
		if b.dead.Load() { // it was given up a moment ago
			b = us.get(wire.Name(me.name), now)
			b.pin(l.index, true)
		}
		if l.pinned == nil {
			l.pinned = make(map[string]*userBudget)
		}
		l.pinned[me.name] = b
	}
	b.assign(us, float64(s.Share)/wire.WholeShare, int(s.Gateways), s.Unknown, now)
}

// unpinBudget lets go of the budget of a user who is not on this loop any more, or nowhere else. key is the user's.
func (l *loop) unpinBudget(key string) {
	if b := l.pinned[key]; b != nil {
		delete(l.pinned, key)
		b.pin(l.index, false)
	}
}

// tickBudgets reports what users who are on several gateways would send, and gives up budgets that are not used.
func (l *loop) tickBudgets(us *userBudgets, now int64) {
	if l.number != 0 && !l.unpinned {
		us.unpin(l.index)
		l.unpinned = true
	}
	kept := l.reporting[:0]
	for _, b := range l.reporting {
		demand, due, again := b.report(us, now)
		if due {
			l.reportDemand(b, demand)
		}
		if again {
			kept = append(kept, b)
		}
	}
	clear(l.reporting[len(kept):])
	l.reporting = kept

	for i := l.index; i < budgetShards; i += len(l.gw.loops) {
		if (uint32(i/len(l.gw.loops))+l.wheel.now)%sweepTicks == 0 {
			us.shards[i].sweep(now)
		}
	}
	if l.wheel.now%forgetTicks == 0 && len(l.budgets) > 0 {
		l.budgets, l.budget = nil, nil
	}
}

func (l *loop) reportDemand(b *userBudget, demand float64) {
	l.key = wire.AppendUserKey(l.key[:0], b.user)
	key := string(l.key)
	if u, lane := l.presences.ownerOf(cluster.Hash(key)); u != nil {
		d := wire.Demand{Key: key, Demand: uint32(min(demand, 1000) * wire.WholeShare)}
		l.endRecord(u, lane, wire.AppendDemand(l.beginRecord(u, lane), &d))
	}
}
