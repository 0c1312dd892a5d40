package history

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// chain is what a Store keeps of one key.
type chain struct {
	entries  []Stored
	seq      uint64 // the last one given
	unfenced bool   // wrong on purpose: it takes any entry
}

func (c *chain) last() uint64 {
	if len(c.entries) == 0 {
		return 0
	}
	return c.entries[len(c.entries)-1].Seq
}

// add writes an entry that follows another.
func (c *chain) add(after uint64, data []byte, now time.Time) (uint64, error) {
	if after != c.last() && !c.unfenced && !broken("fence") {
		return 0, ErrConflict
	}
	c.seq += 3 // others share the stream
	c.entries = append(slices.Clip(c.entries), Stored{Seq: c.seq, Time: now, Data: data})
	return c.seq, nil
}

// from is what a read brings that begins with a sequence number and a time.
func (c *chain) from(seq uint64, since time.Time) []Stored {
	i := 0
	for i < len(c.entries) && (c.entries[i].Seq < seq || c.entries[i].Time.Before(since)) {
		i++
	}
	return slices.Clip(c.entries[i:])
}

// tail is what Shell.Load brings.
func (c *chain) tail(after uint64, fresh bool, since time.Time) Tail {
	t := Tail{Last: c.last()}
	switch {
	case !fresh:
		t.Entries = c.from(after+1, time.Time{})
	case t.Last != 0:
		if t.Entries = c.from(0, since); len(t.Entries) == 0 {
			t.Entries = c.from(t.Last, time.Time{})
		}
	}
	return t
}

// expire removes what was written before a time.
func (c *chain) expire(before time.Time) { c.entries = c.from(0, before) }

// link is a publication as it lies in a chain.
type link struct {
	Publication
	Position
}

// links are all publications, in order.
func (c *chain) links() []link {
	var list []link
	for _, s := range c.entries {
		var e Entry
		if err := e.Decode(s.Data); err != nil {
			panic(err)
		}
		for i, p := range e.Publications {
			list = append(list, link{p, Position{e.First + uint64(i), e.Epoch}})
		}
	}
	return list
}

// verifyLinks tells what of I1 and I3 does not hold. whole: nothing has expired, nor been forgotten.
func verifyLinks(list []link, whole bool) error {
	seen := make(map[string]Position)
	top := Position{Offset: math.MaxUint64}
	for i, l := range list {
		switch {
		case l.Epoch == top.Epoch && l.Offset != top.Offset+1:
			return fmt.Errorf("I1: %d follows %d in the chain", l.Offset, top.Offset)
		case l.Epoch != top.Epoch && (i > 0 || whole) && l.Offset != 1:
			return fmt.Errorf("I1: a numbering begins with %d", l.Offset)
		}
		top = l.Position
		if at, twice := seen[name(&l.Publication)]; twice && whole && l.Given {
			return fmt.Errorf("I3: %q is in the chain twice, at %d and %d", l.MessageID, at.Offset, l.Offset)
		}
		seen[name(&l.Publication)] = l.Position
	}
	return nil
}

// holds reports whether a publication is in the chain at a position.
func holds(list []link, id string, at Position) bool {
	return slices.ContainsFunc(list, func(l link) bool { return l.MessageID == id && l.Position == at })
}
