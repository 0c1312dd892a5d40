package store

import (
	"fmt"
	"testing"
)

// BenchmarkAppend queues messages of 200 bytes for ever new users, eight for each.
func BenchmarkAppend(b *testing.B) {
	kinds(b, func(b *testing.B, q *Queue) {
		payload := make([]byte, 200)
		b.RunParallel(func(pb *testing.PB) {
			from := fmt.Sprintf("%p", pb)
			for n := 0; pb.Next(); n++ {
				m := Message{ID: fmt.Sprint(n), From: from, Payload: payload, SentAt: int64(n)}
				if err := q.Append(b.Context(), fmt.Sprint(from, n/8), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkRead reads a queue of 100 messages of 200 bytes at once, the ns are of all.
func BenchmarkRead(b *testing.B) {
	kinds(b, func(b *testing.B, q *Queue) {
		const waiting = 100
		for n := range waiting {
			if err := q.Append(b.Context(), "reader", Message{ID: fmt.Sprint(n), From: "a", Payload: make([]byte, 200)}); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			if got, err := q.Read(b.Context(), "reader", "", waiting); err != nil || len(got) != waiting {
				b.Fatal(len(got), err)
			}
		}
	})
}

// BenchmarkReadNone reads an empty queue: what every connection costs whose user missed nothing.
func BenchmarkReadNone(b *testing.B) {
	kinds(b, func(b *testing.B, q *Queue) {
		for b.Loop() {
			if got, err := q.Read(b.Context(), "nobody", "", 100); err != nil || len(got) != 0 {
				b.Fatal(len(got), err)
			}
		}
	})
}

// BenchmarkAppendRemove queues a message, reads it and removes it: three calls.
func BenchmarkAppendRemove(b *testing.B) {
	kinds(b, func(b *testing.B, q *Queue) {
		for n := 0; b.Loop(); n++ {
			if err := q.Append(b.Context(), "remover", Message{ID: fmt.Sprint(n), From: "a", Payload: make([]byte, 200)}); err != nil {
				b.Fatal(err)
			}
			got, err := q.Read(b.Context(), "remover", "", 1)
			if err != nil {
				b.Fatal(err)
			}
			if err := q.Remove(b.Context(), "remover", got[0].Position); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSeen notes and writes ever new users, a batch at a time; the ns are of one user.
func BenchmarkSeen(b *testing.B) {
	kinds(b, func(b *testing.B, q *Queue) {
		n := NewSeen(q.store, ample.TTL)
		for i := range b.N {
			n.Note(fmt.Sprint("seen", i), int64(i))
			if i%seenBatch == seenBatch-1 || i == b.N-1 {
				if err := n.write(b.Context(), n.batch()); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func kinds(b *testing.B, bench func(*testing.B, *Queue)) {
	b.Run("embedded", func(b *testing.B) {
		b.ReportAllocs()
		bench(b, NewQueue(open(b, "").Store, ample))
	})
	b.Run("redis", func(b *testing.B) {
		b.ReportAllocs()
		bench(b, NewQueue(open(b, startServer(b).url()).Store, ample))
	})
	b.Run("fsync", func(b *testing.B) {
		b.ReportAllocs()
		bench(b, NewQueue(open(b, startServer(b, "--appendonly", "yes", "--appendfsync", "always").url()).Store, ample))
	})
}
