package durable

import (
	"errors"
	"fmt"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

// kinds runs a benchmark on one server without replicas, and on three in this process with three.
func kinds(b *testing.B, bench func(*testing.B, *Rooms)) {
	b.Run("single", func(b *testing.B) {
		r := single(b)
		ready(b, r)
		b.ReportAllocs()
		bench(b, r)
	})
	b.Run("cluster", func(b *testing.B) {
		r := clustered(b, streamtest.Start(b, 3))
		b.ReportAllocs()
		bench(b, r)
	})
}

// BenchmarkLoadUnknown is what a room costs that is not durable.
func BenchmarkLoadUnknown(b *testing.B) {
	kinds(b, func(b *testing.B, r *Rooms) {
		for b.Loop() {
			if _, err := r.Load(b.Context(), "unknown"); !errors.Is(err, ErrNotFound) {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkUserRooms is what every first connection of a user costs.
func BenchmarkUserRooms(b *testing.B) {
	kinds(b, func(b *testing.B, r *Rooms) {
		for b.Loop() {
			if _, err := r.UserRooms(b.Context(), []string{"nobody"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLoad loads rooms.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10, 1000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			kinds(b, func(b *testing.B, r *Rooms) {
				room := Room{Name: "r", Owner: "alice"}
				if err := r.Create(b.Context(), &room); err != nil {
					b.Fatal(err)
				}
				crowd(b, r, &room, n)
				for b.Loop() {
					if got, err := r.Load(b.Context(), "r"); err != nil || len(got.Members) != n {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkPut changes members of a small and of a big room.
func BenchmarkPut(b *testing.B) {
	for _, n := range []int{10, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			kinds(b, func(b *testing.B, r *Rooms) {
				room := Room{Name: "r", Owner: "alice"}
				if err := r.Create(b.Context(), &room); err != nil {
					b.Fatal(err)
				}
				crowd(b, r, &room, n)
				rev := room.Revision
				for i := 0; b.Loop(); i++ {
					var err error
					if rev, err = r.Put(b.Context(), "r", rev, fmt.Sprint("member", i%100), Member{Version: uint64(i)}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkCreate creates rooms of three.
func BenchmarkCreate(b *testing.B) {
	kinds(b, func(b *testing.B, r *Rooms) {
		for i := 0; b.Loop(); i++ {
			room := Room{Name: fmt.Sprint("r", i), Owner: "alice", Members: map[string]Member{"alice": {Joined: true}, "bob": {}, "carol": {}}}
			if err := r.Create(b.Context(), &room); err != nil {
				b.Fatal(err)
			}
		}
	})
}
