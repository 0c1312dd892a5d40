package shelf

import (
	"context"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
)

// found is a publication that was read from the store.
type found struct {
	history.Publication
	offset uint64
	seq    uint64
	at     time.Time
}

// span is a part of a numbering, from one offset to another.
type span struct {
	epoch    history.Epoch
	from, to uint64
	since    time.Time // what was written before does not count

	// lo and hi are sequence numbers: of an entry that does not come after the first publication, and of one that
	// comes after it; lo 0: not known.
	lo, hi uint64
}

// readRange reads the publications of a span, oldest first, up to most of them and no more once they have that many
// bytes. Where the first ones are no longer there it begins with a later one.
func readRange(ctx context.Context, store history.Store, key string, r span, most, bytes int) ([]found, error) {
	seq, err := locate(ctx, store, key, r)
	if err != nil {
		return nil, err
	}
	g := gathering{span: r, most: most, bytes: bytes}
	for tries := 0; ; {
		page, err := store.Read(ctx, key, seq, readMost, readBytes)
		if err != nil {
			return g.list, err
		}
		for _, stored := range page {
			seq = stored.Seq + 1
			if err := g.take(stored); err != nil || g.over {
				return g.list, err
			}
		}
		if len(page) > 0 {
			continue
		}
		if err := g.ended(ctx, store, key, seq); err != nil || g.over {
			return g.list, err
		}
		if err := lag(ctx, &tries); err != nil {
			return g.list, err
		}
	}
}

// gathering is a span that is being read.
type gathering struct {
	span
	most, bytes int
	size        int
	list        []found
	over        bool // that is all
}

// take takes the next entry.
func (g *gathering) take(stored history.Stored) error {
	var e history.Entry
	if err := e.Decode(stored.Data); err != nil {
		return err
	}
	if e.Epoch < g.epoch || stored.Time.Before(g.since) {
		return nil
	}
	if g.over = e.Epoch > g.epoch; g.over {
		return nil
	}
	for i, p := range e.Publications {
		offset := e.First + uint64(i)
		if offset < g.from {
			continue
		}
		n := len(g.list)
		// What follows a hole is for another time.
		if g.over = offset > g.to || n == g.most || g.size >= g.bytes || n > 0 && offset != g.list[n-1].offset+1; g.over {
			return nil
		}
		g.list = append(g.list, found{p, offset, stored.Seq, stored.Time})
		g.size += len(p.Payload)
		g.over = offset == g.to
	}
	return nil
}

// ended takes it that a replica has nothing more: is that all, or is it behind?
func (g *gathering) ended(ctx context.Context, store history.Store, key string, next uint64) error {
	newest, err := store.Last(ctx, []string{key})
	last, ok := newest[key]
	g.over = err == nil && (!ok || last.Seq < next)
	return err
}

// locate finds the sequence number from which a span is to be read.
func locate(ctx context.Context, store history.Store, key string, r span) (uint64, error) {
	if r.lo > 0 {
		return r.lo, nil
	}
	lo, hi := uint64(1), r.hi
	for lo+1 < hi {
		mid := lo + (hi-lo)/2
		page, err := store.Read(ctx, key, mid, 1, 1)
		if err != nil {
			return 0, err
		}
		if len(page) == 0 || page[0].Seq >= hi {
			hi = mid
			continue
		}
		var e history.Entry
		if err := e.Decode(page[0].Data); err != nil {
			return 0, err
		}
		switch {
		case e.Epoch > r.epoch || e.Epoch == r.epoch && e.First > r.from:
			hi = mid
		case e.Epoch == r.epoch && e.Last() >= r.from:
			return page[0].Seq, nil
		default:
			lo = page[0].Seq + 1
		}
	}
	return lo, nil
}

// read has publications read that are not remembered: see readRange.
func (s *Shelf) read(v *volume, from, to uint64, most, bytes int, then func([]history.Recent, error)) {
	store, key := v.store, v.Key
	r := span{epoch: v.Top().Epoch, from: from, to: to, since: s.lane.Now().Add(-v.Rule.Age)}
	r.lo, r.hi = v.Near(from)
	var list []found
	s.cfg.Metrics.reads.Inc()
	s.cfg.Crew.Work(s.lane, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, readTime)
		defer cancel()
		list, err = readRange(ctx, store, key, r, most, bytes)
		return away(ctx, err)
	}, func(err error) {
		defer s.guard(key)
		recent := make([]history.Recent, 0, len(list))
		for i := range list {
			f := &list[i]
			recent = append(recent, history.Recent{
				Offset: f.offset, Seq: f.seq, At: f.at,
				Frame: s.desk.Frame(key, &f.Publication, history.Position{Offset: f.offset, Epoch: r.epoch}),
			})
		}
		then(recent, err)
	})
}

// fits reports whether what follows an offset may be remembered, as far as is known.
func (s *Shelf) fits(v *volume, after uint64) bool {
	return v.Fits(after) && s.lane.Now().Sub(v.large) >= knownFor
}

// fill has the log remember as many older publications as it may, for those who come back all at once, and then calls then. What
// is not remembered by then has to be read by who wants it.
func (s *Shelf) fill(v *volume, then func()) {
	v.readers = append(v.readers, then)
	if v.filling {
		return
	}
	v.filling = true
	from, to := v.Floor(), v.Top().Offset
	if v.Top().Offset > history.RingMost {
		from = max(from, v.Top().Offset-history.RingMost+1)
	}
	if o := v.Oldest(); o != nil {
		to = o.Offset - 1
	}
	s.read(v, from, to, history.RingMost, history.RingBytes, func(list []history.Recent, err error) {
		v.filling = false
		if err != nil || len(list) > 0 && !v.Restore(list) {
			v.large = s.lane.Now()
		}
		readers := v.readers
		v.readers = nil
		for _, then := range readers {
			then()
		}
	})
}
