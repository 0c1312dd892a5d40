package shelf

import (
	"context"

	"github.com/realtime-cluster/realtime/pkg/history"
)

const (
	// verifyMost is how many histories are looked up at once.
	verifyMost = 500
	// tellsMost bounds how many wait for that; beyond it, the ones that come are not looked up, and counted.
	tellsMost = 1 << 20
)

// telling is somebody who is to be told where a history stands, unless that is where they are.
type telling struct {
	key  string
	rule *history.Rule
	at   history.Position
	tell func(history.Position)
}

// Verify has tell called with where a key's history stands, if that is not where the caller is: what an owner stored
// just before it died may not have been delivered.
func (s *Shelf) Verify(key string, rule *history.Rule, at history.Position, tell func(history.Position)) {
	if v := s.logs[key]; v != nil && v.Known() && !v.Busy() {
		if top := v.Top(); top != at {
			tell(top)
		}
		return
	}
	if len(s.tells) >= tellsMost {
		s.cfg.Metrics.unverified.Inc()
		return
	}
	s.tells = append(s.tells, telling{string([]byte(key)), rule, at, tell})
}

// verify looks up what waits for that, many in one call to the store.
func (s *Shelf) verify() {
	tells := s.tells
	s.tells = nil
	byRule := make(map[*history.Rule][]telling)
	for _, t := range tells {
		byRule[t.rule] = append(byRule[t.rule], t)
	}
	for rule, list := range byRule {
		for len(list) > 0 {
			n := min(len(list), verifyMost)
			s.lookUp(s.cfg.Rules.store(rule), list[:n])
			list = list[n:]
		}
	}
}

func (s *Shelf) lookUp(store history.Store, list []telling) {
	var last map[string]history.Stored
	s.cfg.Crew.Work(s.lane, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, readTime)
		defer cancel()
		keys := make([]string, 0, len(list))
		for _, t := range list {
			keys = append(keys, t.key)
		}
		last, err = store.Last(ctx, keys)
		return away(ctx, err)
	}, func(err error) {
		if err != nil {
			s.tells = append(s.tells, list...) // at the next tick
			return
		}
		for _, t := range list {
			stored, ok := last[t.key]
			var e history.Entry
			if !ok || e.Decode(stored.Data) != nil || e.Epoch.Before(s.desk.Began(t.key)) {
				continue // nothing, or nothing any more
			}
			if v := s.logs[t.key]; v != nil && v.Known() && v.Seq() < stored.Seq {
				v.Stale(s.lane.Now())
			}
			if top := (history.Position{Offset: e.Last(), Epoch: e.Epoch}); top != t.at {
				t.tell(top)
			}
		}
	})
}
