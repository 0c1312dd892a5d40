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
	epoch  history.Epoch
	seq    uint64
	at     time.Time
}

// readRange reads the publications from one offset to another, oldest first, up to most of them and no more once they have that many
// bytes. Where the first ones are no longer there it begins with a later one. lo and hi are sequence numbers: of an
// entry that does not come after the first publication, and of one that comes after it; 0: not known.
func readRange(ctx context.Context, store history.Store, key string, from, to uint64, most, bytes int, lo, hi uint64) ([]found, error) {
	seq, err := locate(ctx, store, key, from, lo, hi)
	if err != nil {
		return nil, err
	}
	var list []found
	for size := 0; ; {
		page, err := store.Read(ctx, key, seq, readMost, readBytes)
		if err != nil || len(page) == 0 {
			return list, err
		}
		for _, stored := range page {
			var e history.Entry
			if err := e.Decode(stored.Data); err != nil {
				return nil, err
			}
			for i, p := range e.Publications {
				offset := e.First + uint64(i)
				switch n := len(list); {
				case offset < from:
					continue
				case offset > to || n == most || size >= bytes:
					return list, nil
				case n > 0 && (e.Epoch != list[n-1].epoch || offset != list[n-1].offset+1):
					return list, nil // what follows is of another numbering, or after a hole
				}
				list = append(list, found{p, offset, e.Epoch, stored.Seq, stored.Time})
				size += len(p.Payload)
			}
			seq = stored.Seq + 1
		}
	}
}

// locate finds the sequence number from which an offset is to be read.
func locate(ctx context.Context, store history.Store, key string, offset, lo, hi uint64) (uint64, error) {
	if lo > 0 {
		return lo, nil
	}
	for lo = 1; lo+1 < hi; {
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
		case e.First > offset:
			hi = mid
		case e.Last() >= offset:
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
	lo, hi := v.Near(from)
	epoch := v.Top().Epoch
	var list []found
	s.cfg.Metrics.reads.Inc()
	s.cfg.Crew.Work(s.lane, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, readTime)
		defer cancel()
		list, err = readRange(ctx, store, key, from, to, most, bytes, lo, hi)
		return away(ctx, err)
	}, func(err error) {
		recent := make([]history.Recent, 0, len(list))
		now := s.lane.Now()
		for i := range list {
			f := &list[i]
			if f.epoch != epoch || v.Expired(f.at, now) {
				continue
			}
			recent = append(recent, history.Recent{
				Offset: f.offset, Seq: f.seq, At: f.at,
				Frame: s.desk.Frame(key, &f.Publication, history.Position{Offset: f.offset, Epoch: f.epoch}),
			})
		}
		then(recent, err)
	})
}

// fill has the log remember as many older publications as it may, for those who come back all at once, and then calls then:
// what is not remembered by then is not to be had.
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
		if err == nil {
			v.Restore(list)
		}
		readers := v.readers
		v.readers = nil
		for _, then := range readers {
			then()
		}
	})
}
