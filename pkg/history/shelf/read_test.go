package shelf

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/history/shelf/shelftest"
)

var epoch1, epoch2 = history.NewEpoch(time.UnixMilli(1_763_850_000_000), 1), history.NewEpoch(time.UnixMilli(1_763_855_000_000), 1)

func entry(epoch history.Epoch, first uint64, n int) *history.Entry {
	e := &history.Entry{Epoch: epoch, First: first}
	for i := range n {
		e.Publications = append(e.Publications, history.Publication{User: "u", MessageID: fmt.Sprint(first + uint64(i)), Payload: []byte("0123456789")})
	}
	return e
}

func TestReadTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shelftest.New(time.Now, func(f func()) { f() })
		read := func(after uint64, fresh bool) (history.Tail, error) {
			return readTail(t.Context(), s, "a", after, fresh, time.Now().Add(-time.Minute))
		}
		if tail, err := read(0, true); err != nil || tail.Last != 0 || len(tail.Entries) != 0 {
			t.Fatalf("of nothing: %+v, %v", tail, err)
		}
		s.Put("a", entry(epoch1, 1, 2))
		s.Put("b", entry(epoch1, 1, 1))
		time.Sleep(time.Hour)
		if tail, err := read(0, true); err != nil || tail.Last != 1 || len(tail.Entries) != 1 {
			t.Fatalf("of one long ago: %+v, %v", tail, err)
		}
		for n := range 5 {
			s.Put("a", entry(epoch1, uint64(3+n), 1))
			s.Put("b", entry(epoch1, uint64(2+n), 1))
		}
		tail, err := read(0, true)
		if err != nil || tail.Last != 11 || len(tail.Entries) != 5 || tail.Entries[0].Seq != 3 {
			t.Fatalf("of some: %+v, %v", tail, err)
		}
		if tail, err = read(7, false); err != nil || tail.Last != 11 || len(tail.Entries) != 2 || tail.Entries[0].Seq != 9 {
			t.Fatalf("behind one: %+v, %v", tail, err)
		}
		if tail, err = read(11, false); err != nil || tail.Last != 11 || len(tail.Entries) != 0 {
			t.Fatalf("behind the last: %+v, %v", tail, err)
		}

		// A replica that is behind is waited for, but not for ever.
		s.Lag(3)
		s.Put("a", entry(epoch1, 8, 1))
		if tail, err = read(11, false); err != nil || tail.Last != 13 || len(tail.Entries) != 1 {
			t.Fatalf("from one that was behind: %+v, %v", tail, err)
		}
		s.Lag(1000)
		s.Put("a", entry(epoch1, 9, 1))
		if _, err = read(13, false); !errors.Is(err, history.ErrUnavailable) {
			t.Fatalf("from one that stays behind: %v", err)
		}
		if _, err = read(0, true); !errors.Is(err, history.ErrUnavailable) {
			t.Fatalf("from one that stays behind, afresh: %v", err)
		}
		s.SetAway(true)
		if _, err = read(0, true); !errors.Is(err, history.ErrUnavailable) {
			t.Fatalf("away: %v", err)
		}
	})
}

// Whatever part of whichever topic is read, it is what a reader of everything finds.
func TestReadRange(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		now := time.UnixMilli(1_763_856_000_000)
		s := shelftest.New(func() time.Time { return now }, nil)
		keys := []string{"a", "b", "c"}[:1+r.IntN(3)]
		type chain struct {
			epoch history.Epoch
			top   uint64
			seqs  map[uint64]uint64 // by offset, of the last numbering
		}
		chains := make(map[string]*chain)
		for _, key := range keys {
			chains[key] = &chain{epoch: epoch1, seqs: make(map[uint64]uint64)}
		}
		for range 20 + r.IntN(200) {
			key := keys[r.IntN(len(keys))]
			c := chains[key]
			if c.epoch == epoch1 && r.IntN(60) == 0 {
				*c = chain{epoch: epoch2, seqs: make(map[uint64]uint64)}
			}
			n := 1 + r.IntN(4)
			seq := s.Put(key, entry(c.epoch, c.top+1, n))
			for range n {
				c.top++
				c.seqs[c.top] = seq
			}
			now = now.Add(time.Millisecond)
		}
		for key, c := range chains {
			if c.top == 0 {
				continue
			}
			first := uint64(1)
			if r.IntN(2) == 0 { // the beginning is gone
				first = 1 + r.Uint64N(c.top)
				for first > 1 && c.seqs[first-1] == c.seqs[first] {
					first--
				}
				if err := s.Trim(t.Context(), key, c.seqs[first]); err != nil {
					t.Fatal(err)
				}
			}
			for range 20 {
				from := 1 + r.Uint64N(c.top)
				to := from + r.Uint64N(c.top-from+1)
				most, bytes := 1+r.IntN(20), 1<<20
				if r.IntN(3) == 0 {
					bytes = 1 + r.IntN(100)
				}
				span := span{epoch: c.epoch, from: from, to: to, hi: c.seqs[c.top] + 1}
				if k := 1 + r.Uint64N(from); r.IntN(3) == 0 && k >= first {
					span.lo = c.seqs[k]
				}
				if r.IntN(3) == 0 {
					span.hi = c.seqs[to+r.Uint64N(c.top-to+1)] + 1
				}
				list, err := readRange(t.Context(), s, key, span, most, bytes)
				if err != nil {
					t.Fatal(err)
				}
				want := max(from, first)
				n := 0
				for want+uint64(n) <= to && n < most && n*10 < bytes {
					n++
				}
				if len(list) != n {
					t.Fatalf("round %d, %s: of %+v, %d at most, %d bytes, came %d, want %d; kept from %d to %d", round, key, span, most, bytes, len(list), n, first, c.top)
				}
				for i, f := range list {
					if f.offset != want+uint64(i) || f.seq != c.seqs[f.offset] || f.MessageID != fmt.Sprint(f.offset) {
						t.Fatalf("round %d, %s: of %+v came %d at %d", round, key, span, f.offset, i)
					}
				}
			}
		}
	}
}

// What a replica does not have yet is not taken for what is no longer there.
func TestReadRangeBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shelftest.New(time.Now, nil)
		for n := range 10 {
			s.Put("a", entry(epoch1, uint64(1+n), 1))
		}
		r := span{epoch: epoch1, from: 12, to: 14, hi: 15}
		s.Lag(5)
		for n := range 4 {
			s.Put("a", entry(epoch1, uint64(11+n), 1))
		}
		if list, err := readRange(t.Context(), s, "a", r, 100, 1<<20); err != nil || len(list) != 3 {
			t.Errorf("from one that was behind: %d, %v", len(list), err)
		}
		s.Lag(1000)
		s.Put("a", entry(epoch1, 15, 1))
		r = span{epoch: epoch1, from: 15, to: 15, hi: 16}
		if list, err := readRange(t.Context(), s, "a", r, 100, 1<<20); !errors.Is(err, history.ErrUnavailable) {
			t.Errorf("from one that stays behind: %d, %v", len(list), err)
		}
		s.Lag(0)
		time.Sleep(time.Hour)
		s.Expire(time.Now())
		if list, err := readRange(t.Context(), s, "a", r, 100, 1<<20); err != nil || len(list) != 0 {
			t.Errorf("of what has expired: %d, %v", len(list), err)
		}
		s.Put("a", &history.Entry{Epoch: epoch1, First: 16})
		if _, err := readRange(t.Context(), s, "a", r, 100, 1<<20); err == nil {
			t.Error("an entry that cannot be read is no error")
		}
	})
}
