package shelf

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// pageMost and pageBytes bound one page of a recovery.
	pageMost  = 1000
	pageBytes = 96 << 10
	// knownFor is how long it is taken for granted that the store still has what it had, but for what the rule does
	// not keep.
	knownFor = 5 * time.Second
)

// Joined is the answer to a Join.
type Joined struct {
	Code  int // 0, or that of an Error
	At    history.Position
	Whole bool // all behind the position that was asked for can be fetched
}

// Join answers a Join of a key with history, when what was published before is dealt with. placed says that all behind at is
// wanted. enter is called first, to note the interest: what is delivered from then on comes after the answer's position.
func (s *Shelf) Join(key string, rule *history.Rule, placed bool, at wire.Position, enter func(), then func(Joined)) {
	s.after(s.open(key, rule), func(v *volume, err error) {
		if err != nil {
			then(Joined{Code: protocol.CodeUnavailable})
			return
		}
		enter()
		if !placed {
			then(Joined{At: v.Top()})
			return
		}
		s.judge(v, FromWire(at), true, func(whole bool, err error) {
			if err != nil { // not known is not no
				then(Joined{Code: protocol.CodeUnavailable})
				return
			}
			s.count(whole)
			then(Joined{At: v.Top(), Whole: whole})
		})
	})
}

func (s *Shelf) count(whole bool) {
	if whole {
		s.cfg.Metrics.recovered.Inc()
	} else {
		s.cfg.Metrics.broken.Inc()
	}
}

// judge finds out whether all behind a position can be had; its error says that the store did not tell. again: the tail may be read
// once more.
func (s *Shelf) judge(v *volume, p history.Position, again bool, then func(whole bool, err error)) {
	after, verdict := v.Judge(p, s.lane.Now())
	switch {
	case verdict == history.Whole:
		then(true, nil)
	case verdict == history.Ahead && again:
		v.Stale(s.lane.Now())
		s.after(v, func(v *volume, err error) {
			if err != nil {
				then(false, err)
				return
			}
			s.judge(v, p, false, then)
		})
	case verdict != history.Look:
		then(false, nil)
	case s.fits(v, after):
		s.fill(v, func() { s.judgeFilled(v, p, then) })
	default:
		s.probe(v, after, then)
	}
}

// judgeFilled is judge for a log that remembers all that it may.
func (s *Shelf) judgeFilled(v *volume, p history.Position, then func(whole bool, err error)) {
	after, verdict := v.Judge(p, s.lane.Now())
	if verdict == history.Look {
		s.probe(v, after, then)
		return
	}
	then(verdict == history.Whole, nil)
}

// probe finds out whether the store has what follows an offset.
func (s *Shelf) probe(v *volume, after uint64, then func(whole bool, err error)) {
	epoch := v.Top().Epoch
	if v.oldest.Epoch == epoch && v.oldest.Offset <= after+1 && s.lane.Now().Sub(v.since) < knownFor {
		then(true, nil)
		return
	}
	s.read(v, after+1, after+1, 1, 1, func(list []history.Recent, err error) {
		ok := err == nil && len(list) == 1 && v.Top().Epoch == epoch
		if ok {
			v.oldest, v.since = history.Position{Offset: after + 1, Epoch: epoch}, s.lane.Now()
		}
		then(ok, err)
	})
}

// Fetch answers a Fetch with a page, which then passes on; its Loop and Op are the caller's to fill in.
func (s *Shelf) Fetch(f *wire.Fetch, rule *history.Rule, then func(*wire.Page)) {
	v := s.open(f.Key, rule)
	after, least := f.After, f.Least
	serve := func(v *volume, err error) {
		if err != nil {
			then(&wire.Page{Code: protocol.CodeUnavailable})
			return
		}
		s.serve(v, after, then)
	}
	switch top := v.Top(); {
	case v.Known() && uint64(top.Epoch) == after.Epoch && top.Offset < least:
		v.Stale(s.lane.Now())
		s.after(v, serve)
	case v.Known():
		serve(v, nil)
	default:
		s.after(v, serve)
	}
}

// serve makes a page of what follows a position. Who has another epoch has nothing of this one.
func (s *Shelf) serve(v *volume, at wire.Position, then func(*wire.Page)) {
	after := at.Offset
	if history.Epoch(at.Epoch) != v.Top().Epoch {
		after = 0
	}
	after = max(after, v.Floor()-1)
	if after >= v.Top().Offset {
		then(s.page(v, after+1, nil))
		return
	}
	if list, ok := v.Since(after, pageMost, pageBytes); ok {
		s.cfg.Metrics.memory.Inc()
		then(s.page(v, after+1, list))
		return
	}
	if !s.fits(v, after) {
		s.serveStored(v, after, then)
		return
	}
	epoch := v.Top().Epoch
	s.fill(v, func() {
		if list, ok := v.Since(after, pageMost, pageBytes); ok && v.Top().Epoch == epoch {
			then(s.page(v, after+1, list))
			return
		}
		s.serveStored(v, after, then)
	})
}

// serveStored makes a page of what the store has.
func (s *Shelf) serveStored(v *volume, after uint64, then func(*wire.Page)) {
	top := v.Top()
	s.read(v, after+1, top.Offset, pageMost, pageBytes, func(list []history.Recent, err error) {
		if err != nil || v.Top().Epoch != top.Epoch {
			then(&wire.Page{Code: protocol.CodeUnavailable})
			return
		}
		then(s.page(v, after+1, list))
	})
}

// page is a page of publications; first is the offset of the next one where there is none.
func (s *Shelf) page(v *volume, first uint64, list []history.Recent) *wire.Page {
	top := v.Top()
	p := &wire.Page{Top: OnWire(top), First: first}
	if len(list) > 0 {
		p.First = list[0].Offset
	} else if first <= top.Offset {
		p.First = top.Offset + 1 // nothing of it is to be had any more
	}
	for i := range list {
		p.Add(list[i].Frame)
	}
	return p
}
