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
			then(w.found(v.Top(), list[:min(len(list), limit)]))
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

// window is the part of a history that a Query wants. Its bounds are offsets.
type window struct {
	low, high uint64 // what is wanted
	from, to  uint64 // of that, what is kept, or in reverse what may be on the page
	bound     bool   // low was given
	void      bool   // a bound was given in another numbering
	reverse   bool
}

func newWindow(v *volume, since, until *protocol.Position, limit int, reverse bool) (w window) {
	top := v.Top()
	w = window{low: v.Floor(), high: top.Offset, reverse: reverse}
	if since != nil {
		epoch := history.ParseEpoch(since.Epoch)
		w.bound = true
		switch {
		case epoch == top.Epoch:
			w.low = since.Offset + 1
		case !epoch.Born() && since.Offset == 0: // from before the first
			w.low = 1
		default:
			w.void = true
		}
	}
	if until != nil {
		if history.ParseEpoch(until.Epoch) != top.Epoch {
			w.void = true
		} else if until.Offset <= w.high {
			w.high = max(until.Offset, 1) - 1
		}
	}
	w.from, w.to = max(w.low, v.Floor()), w.high
	if reverse {
		w.from = max(w.from, w.to-min(w.to, uint64(limit))+1)
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

// whole reports whether what was read is all that is wanted.
func (w *window) whole(list []history.Recent) bool {
	if w.low > w.high {
		return true // nothing
	}
	if len(list) == 0 { // it is no longer there
		return !w.bound
	}
	first, last := list[0].Offset, list[len(list)-1].Offset
	if last != w.high {
		return false // the rest is on the next page
	}
	// Where no bound was given, what is no longer kept does not count.
	return first == w.low || !w.bound && first > w.from
}
