package cluster

import (
	"slices"
	"time"
)

const (
	tombKeep = time.Minute      // a death is remembered for this long after the last beat of the dead
	tombTell = 10 * time.Second // a dead node that beats is told so for this long
	maxTombs = 4096             // beyond: what is forgotten soonest makes room
)

// tombs remembers who has been declared dead. Owned by Members.
type tombs map[uint64]*tomb

type tomb struct {
	inc  uint32    // this incarnation and every earlier one is dead
	keep time.Time // until then it is remembered
	tell time.Time // until then our beats carry it
}

func (t tombs) bury(r Ref, now time.Time) {
	if old := t[r.ID]; old != nil {
		old.inc, old.keep = max(old.inc, r.Inc), now.Add(tombKeep)
		return
	}
	if len(t) >= maxTombs {
		t.evict()
	}
	t[r.ID] = &tomb{inc: r.Inc, keep: now.Add(tombKeep)}
}

// haunted reports whether r is dead; if so, it is to be told. fresh says that our beats have
// not been telling it so far.
func (t tombs) haunted(r Ref, now time.Time) (dead, fresh bool) {
	tomb := t[r.ID]
	if tomb == nil || r.Inc > tomb.inc {
		return false, false
	}
	fresh = !tomb.tell.After(now)
	tomb.keep, tomb.tell = now.Add(tombKeep), now.Add(tombTell)
	return true, fresh
}

// told gives the dead our beats have to carry, at most maxBeatRefs: the last heard first.
func (t tombs) told(now time.Time) []Ref {
	var refs []Ref
	for id, tomb := range t {
		if tomb.tell.After(now) {
			refs = append(refs, Ref{id, tomb.inc})
		}
	}
	slices.SortFunc(refs, func(a, b Ref) int {
		if c := t[b.ID].tell.Compare(t[a.ID].tell); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return refs[:min(len(refs), maxBeatRefs)]
}

func (t tombs) expire(now time.Time) {
	for id, tomb := range t {
		if !tomb.keep.After(now) {
			delete(t, id)
		}
	}
}

func (t tombs) evict() {
	var oldest uint64
	for id, tomb := range t {
		if old := t[oldest]; old == nil || tomb.keep.Before(old.keep) {
			oldest = id
		}
	}
	delete(t, oldest)
}
