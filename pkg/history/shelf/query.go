package shelf

import (
	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// queryBytes bounds one answer to a client's History: less than a connection's outbox.
const queryBytes = 96 << 10

// Found is the answer to a Query.
type Found struct {
	Code     int // 0, or that of an Error
	Top      history.Position
	Complete bool             // nothing is missing behind what was asked for, and nothing more follows
	List     []history.Recent // in the order that was asked for
}

// Query answers a client's History, when what was published before is dealt with.
func (s *Shelf) Query(key string, rule *history.Rule, q *protocol.History, then func(Found)) {
	since, until, limit, reverse := q.Since, q.Until, q.Limit, q.Reverse
	s.after(s.open(key, rule), func(v *volume, err error) {
		if err != nil {
			then(Found{Code: protocol.CodeUnavailable})
			return
		}
		w := newWindow(v, since, until, limit, reverse)
		if w.from > w.to {
			then(w.found(v.Top(), nil))
			return
		}
		if list, ok := v.Since(w.from-1, int(w.to-w.from+1), 1<<30); ok {
			now := s.lane.Now()
			for len(list) > 0 && v.Expired(list[0].At, now) {
				list = list[1:]
			}
			then(w.found(v.Top(), list))
			return
		}
		s.read(v, w.from, w.to, limit, 1<<30, func(list []history.Recent, err error) {
			if err != nil {
				then(Found{Code: protocol.CodeUnavailable})
				return
			}
			then(w.found(v.Top(), list))
		})
	})
}

// window is the part of a history that a Query wants.
type window struct {
	from, to uint64 // offsets
	low      uint64 // the first that is wanted at all
	top      uint64
	bound    bool // low was given
	void     bool // it was given in another numbering
	reverse  bool
}

func newWindow(v *volume, since, until *protocol.Position, limit int, reverse bool) (w window) {
	top := v.Top()
	w = window{low: v.Floor(), top: top.Offset, to: top.Offset, reverse: reverse}
	if since != nil {
		w.bound = true
		if history.ParseEpoch(since.Epoch) != top.Epoch && since.Offset > 0 {
			w.void = true
		} else {
			w.low = since.Offset + 1
		}
	}
	if until != nil && history.ParseEpoch(until.Epoch) == top.Epoch && until.Offset > 0 {
		w.to = min(w.to, until.Offset-1)
	}
	w.from = max(w.low, v.Floor())
	if reverse && w.to >= uint64(limit) {
		w.from = max(w.from, w.to-uint64(limit)+1)
	}
	if !reverse {
		w.to = min(w.to, w.from+uint64(limit)-1)
	}
	return w
}

// found is the answer with what was read of the window, oldest first.
func (w *window) found(top history.Position, list []history.Recent) Found {
	f := Found{Top: top, List: make([]history.Recent, 0, len(list))}
	size := 0
	for i := range list {
		r := &list[i]
		if w.reverse {
			r = &list[len(list)-1-i]
		}
		if size += len(r.Frame); size > queryBytes && i > 0 {
			break
		}
		f.List = append(f.List, *r)
	}
	f.Complete = !w.void && len(f.List) == len(list) && w.whole(list)
	return f
}

// whole reports whether what was read is all that is wanted, and there is nothing beyond it.
func (w *window) whole(list []history.Recent) bool {
	if w.from > w.to { // nothing is wanted that there is
		return true
	}
	if len(list) == 0 { // it is no longer there
		return !w.bound
	}
	first, last := list[0].Offset, list[len(list)-1].Offset
	switch {
	case w.bound && first != w.low: // some of it is no longer there, or on the next page
		return false
	case w.reverse:
		return w.bound || first > w.from || first <= w.low
	}
	return last == w.top
}
