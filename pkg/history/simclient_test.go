package history

import (
	"fmt"
	"slices"
	"time"
)

// simWriter publishes one message after another, each again and again until it is acked, or it has taken too long.
type simWriter struct {
	sim   *sim
	name  string
	count int
	id    string
	begun time.Time
	done  bool // in the end, with all of them
}

const (
	resendAfter = time.Second
	resendUntil = 15 * time.Second
	netDelay    = 3 * time.Second
)

func (w *simWriter) next() {
	w.id = ""
	pause := w.sim.span(500 * time.Millisecond)
	if w.sim.idle > 0 && w.sim.chance(0.005) {
		pause = time.Duration(w.sim.rng.Float64() * float64(w.sim.idle))
		for _, o := range w.sim.writers { // all of them, so that all may expire
			o.done = true
		}
		w.sim.after(pause, func() {
			for _, o := range w.sim.writers {
				if o.done {
					o.done = false
					o.start()
				}
			}
		})
		return
	}
	w.sim.after(pause, w.start)
}

func (w *simWriter) start() {
	if w.done || w.id != "" {
		return
	}
	if w.sim.calm {
		w.done = true
		return
	}
	w.count++
	w.id, w.begun = fmt.Sprintf("%s-%d", w.name, w.count), w.sim.now
	w.send(w.id)
}

func (w *simWriter) send(id string) {
	s := w.sim
	if w.id != id {
		return
	}
	if s.now.Sub(w.begun) > resendUntil && !s.calm {
		s.unknown++
		w.next()
		return
	}
	if o := s.owner(); o != nil && !s.chance(0.05) {
		sent := s.now
		s.after(s.span(netDelay), func() {
			o.do(func() {
				if s.now.Sub(sent) > netDelay {
					return // it was frozen, and what reached it meanwhile is too old
				}
				it := &Item{
					Publication: Publication{SentAt: sent.UnixMilli(), User: w.name, MessageID: id, Given: true},
					Ticket:      w, Until: s.now.Add(4 * time.Second),
				}
				_ = o.log.Publish(it, s.now)
			})
		})
	}
	s.after(resendAfter+s.span(resendAfter), func() { w.send(id) })
}

func (w *simWriter) acked(id string, at Position, duplicate bool) {
	s := w.sim
	s.acked++
	if duplicate {
		s.repeated++
	}
	if !s.find(id, at) && !(duplicate && at.Offset == 0 && s.expire) {
		s.Errorf("I2: %s is acked at %v, duplicate %v, where it is not", id, at, duplicate)
	}
	if w.id == id {
		w.next()
	}
}

// simSub is a gateway with a subscriber: it drops what it has seen, fetches what is missing, and says when something
// cannot be had.
type simSub struct {
	sim    *sim
	name   int
	placed bool
	at     Position
	start  int // in the history
	got    []Position
	heard  map[Epoch]uint64
	told   [][2]Position // gaps that were told
	lines  map[*simOwner]time.Time
}

// rejoin asks the owner for what was missed, every few seconds: what an owner delivers when it is no longer the one
// may reach nobody.
func (sub *simSub) rejoin() {
	s := sub.sim
	if o := s.owner(); o != nil {
		s.after(s.span(time.Second), func() { o.do(func() { sub.join(o, true) }) })
	}
	s.after(time.Second+s.span(4*time.Second), sub.rejoin)
}

func (sub *simSub) join(o *simOwner, again bool) {
	s, l := sub.sim, o.log
	from, placed := sub.at, sub.placed
	l.After(s.now, s.now.Add(4*time.Second), func(err error) {
		if err != nil {
			return
		}
		o.members[sub] = true
		if !placed {
			top := l.Top()
			o.send(sub, func() { sub.place(top) })
			return
		}
		after, verdict := l.Judge(from, s.now)
		if verdict == Ahead && again {
			l.Stale(s.now)
			sub.join(o, false)
			return
		}
		top := l.Top()
		missed, ok := l.Since(after, 1<<20, 1<<30)
		switch {
		case verdict == Whole && ok:
			for _, r := range missed {
				o.send(sub, func() { sub.hear(string(r.Frame), Position{r.Offset, top.Epoch}) })
			}
		case verdict == Look || verdict == Whole:
			o.send(sub, func() { sub.fetch(top) })
		default:
			o.send(sub, func() { sub.broken(from, top) })
		}
	})
}

// place is where a subscriber begins.
func (sub *simSub) place(top Position) {
	if sub.placed {
		return
	}
	sub.placed, sub.at = true, top
	for i, l := range sub.sim.history {
		if l.Position == top {
			sub.start = i + 1
		}
	}
	if !top.Epoch.Born() {
		for _, l := range sub.sim.history {
			if !l.at.After(top.Epoch.SeenAt()) {
				sub.start++
			}
		}
	}
}

// broken: an owner says that what follows a position is not to be had.
func (sub *simSub) broken(from, top Position) {
	switch {
	case from != sub.at: // there is news since
	case top.Epoch == from.Epoch && top.Offset <= from.Offset, top.Epoch.Born() && top.Epoch < from.Epoch:
	case !top.Epoch.Born() && from.Epoch.Born(): // there is nothing now, but there may have been
		if n := len(sub.told); n > 0 && sub.told[n-1][0] == from {
			sub.told[n-1][1] = top
			return
		}
		sub.sim.flagged++
		sub.told = append(sub.told, [2]Position{from, top})
	default:
		sub.tell(top)
	}
}

func (sub *simSub) tell(to Position) {
	sub.sim.flagged++
	sub.told = append(sub.told, [2]Position{sub.at, to})
	sub.at = to
}

func (sub *simSub) hear(_ string, at Position) {
	switch {
	case !sub.placed:
	case at.Offset <= sub.heard[at.Epoch]:
	case at.Epoch < sub.at.Epoch && sub.at.Epoch.Born(): // an owner of the past
	default:
		sub.fetch(at)
	}
}

// fetch gets what is missing up to a position, from the chain.
func (sub *simSub) fetch(to Position) {
	same := to.Epoch == sub.at.Epoch || !sub.at.Epoch.Born() && sub.at.Offset == 0 &&
		sub.sim.now.Sub(sub.at.Epoch.SeenAt()) < sub.sim.rule.trusted()
	if same && to.Offset <= sub.at.Offset {
		return
	}
	if same && to.Offset == sub.at.Offset+1 {
		sub.take(to)
		return
	}
	var list []Position
	for _, l := range sub.sim.stored() {
		if l.Epoch == to.Epoch && l.Offset <= to.Offset && (!same || l.Offset > sub.at.Offset) {
			list = append(list, l.Position)
		}
	}
	if !same || len(list) == 0 || list[0].Offset != sub.at.Offset+1 {
		first := to
		if len(list) > 0 {
			first = list[0]
		}
		sub.tell(Position{first.Offset - 1, first.Epoch})
	}
	for _, at := range list {
		sub.take(at)
	}
	if len(list) == 0 {
		sub.tell(to)
	}
}

func (sub *simSub) take(at Position) {
	if sub.heard == nil {
		sub.heard = map[Epoch]uint64{}
	}
	sub.got = append(sub.got, at)
	sub.at, sub.heard[at.Epoch] = at, at.Offset
}

// finish checks that what a subscriber has got is the history, but for what it was told.
func (sub *simSub) finish() {
	s := sub.sim
	want := s.history[min(sub.start, len(s.history)):]
	i := 0
	for _, l := range want {
		switch {
		case i < len(sub.got) && sub.got[i] == l.Position:
			i++
		case !sub.wasTold(l.Position):
			s.Errorf("subscriber %d misses %v silently: it has %v, told %v", sub.name, l.Position, near(sub.got, i), sub.told)
			return
		}
	}
	if i < len(sub.got) {
		s.Errorf("subscriber %d has got %v too much, after %v", sub.name, near(sub.got, i), near(sub.got, i-3))
	}
}

func near(list []Position, i int) []Position {
	return list[min(max(i, 0), len(list)):min(max(i, 0)+3, len(list))]
}

// before reports whether a publication was stored before a numbering had anything.
func before(l simLink, p Position) bool {
	if p.Epoch.Born() {
		return p.Offset == 0 && l.Epoch < p.Epoch
	}
	return !l.at.After(p.Epoch.SeenAt())
}

// wasTold reports whether a publication is in one of the gaps that were told.
func (sub *simSub) wasTold(at Position) bool {
	index := func(p Position) int {
		return slices.IndexFunc(sub.sim.history, func(l simLink) bool { return l.Position == p })
	}
	for _, gap := range sub.told {
		from, to := index(gap[0]), index(gap[1])
		i := index(at)
		if l := sub.sim.history[i]; i > from && (i <= to || to < 0 && before(l, gap[1])) {
			return true
		}
	}
	return false
}
