package stream

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/history"
)

var payload = []byte(strings.Repeat("x", 256))

// BenchmarkAppend writes entries of 256 bytes to one key, each when the one before is acknowledged.
func BenchmarkAppend(b *testing.B) {
	kinds(b, func(b *testing.B, connect func() *nats.Conn) {
		s := on(b, connect(), nil)
		after := must(b, s, "a", 0, "x")
		b.ReportAllocs()
		done := make(chan result, 1)
		for b.Loop() {
			s.Append("a", after, payload, func(seq uint64, err error) { done <- result{seq, err} })
			r := <-done
			ok(b, r.err)
			after = r.seq
		}
	})
}

// BenchmarkAppendKeys does that with 1,000 keys at once; an operation is one entry.
func BenchmarkAppendKeys(b *testing.B) {
	kinds(b, func(b *testing.B, connect func() *nats.Conn) {
		s := on(b, connect(), nil)
		fill(b, s, 1000, 1)
		b.ReportAllocs()
		b.ResetTimer()
		fill(b, s, 1000, b.N)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
}

// fill writes n entries to so many keys.
func fill(tb testing.TB, s *Store, keys, n int) {
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprint("topic", i)
	}
	tails := map[string]uint64{}
	for len(names) > 0 {
		some := names[:min(1000, len(names))]
		last, err := s.Last(tb.Context(), some)
		ok(tb, err)
		for key, e := range last {
			tails[key] = e.Seq
		}
		names = names[len(some):]
	}
	var wg sync.WaitGroup
	wg.Add(keys)
	for i := range keys {
		key := fmt.Sprint("topic", i)
		left := max(1, n/keys)
		var next func(seq uint64, err error)
		next = func(seq uint64, err error) {
			if errors.Is(err, history.ErrConflict) && left > 0 { // Last of many may be behind
				last, err2 := s.Last(tb.Context(), []string{key})
				if err = err2; err == nil {
					s.Append(key, last[key].Seq, payload, next)
					return
				}
			}
			if err != nil {
				tb.Error(err)
				left = 0
			}
			if left == 0 {
				wg.Done()
				return
			}
			left--
			s.Append(key, seq, payload, next)
		}
		next(tails[key], nil)
	}
	wg.Wait()
}

// BenchmarkReadSince reads 1,000 entries of one key, of one that is alone and of one among 1,000 keys.
func BenchmarkReadSince(b *testing.B) {
	kinds(b, func(b *testing.B, connect func() *nats.Conn) {
		s := on(b, connect(), nil)
		key := "topic0"
		fill(b, s, 1, 1000)
		read := func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				entries, err := s.ReadSince(b.Context(), key, time.Now().Add(-time.Hour), 1000, 1<<20)
				ok(b, err)
				if len(entries) != 1000 {
					b.Fatalf("%d entries", len(entries))
				}
			}
		}
		b.Run("alone", read)
		fill(b, s, 1000, 1_000_000)
		key = "topic1"
		b.Run("among", read)
	})
}

// BenchmarkLast reads the newest entries of one key and of 1,000.
func BenchmarkLast(b *testing.B) {
	kinds(b, func(b *testing.B, connect func() *nats.Conn) {
		s := on(b, connect(), nil)
		fill(b, s, 1000, 10_000)
		var keys []string
		for i := range 1000 {
			keys = append(keys, fmt.Sprint("topic", i))
		}
		for _, n := range []int{1, 1000} {
			b.Run(fmt.Sprint(n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					last, err := s.Last(b.Context(), keys[:n])
					ok(b, err)
					if len(last) != n {
						b.Fatalf("%d of %d", len(last), n)
					}
				}
			})
		}
	})
}

// BenchmarkTrim removes one entry of a key among 1,000 that have 200 entries each.
func BenchmarkTrim(b *testing.B) {
	kinds(b, func(b *testing.B, connect func() *nats.Conn) {
		s := on(b, connect(), nil)
		fill(b, s, 1000, 200_000)
		var entries []history.Stored
		for i := 0; b.Loop(); i++ {
			key := fmt.Sprint("topic", i/150)
			if i%150 == 0 {
				b.StopTimer()
				var err error
				entries, err = s.Read(b.Context(), key, 0, 1000, 1<<20)
				ok(b, err)
				b.StartTimer()
			}
			ok(b, s.Trim(b.Context(), key, entries[i%150].Seq+1))
		}
	})
}
