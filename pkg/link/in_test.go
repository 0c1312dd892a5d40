package link

import (
	"testing"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

func TestIn(t *testing.T) {
	type step struct {
		seq, base       uint64
		take, owed, now bool // what Take says, and Due after it
		ack             bool // take the acknowledgement then
		lost            uint64
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"in order", []step{
			{seq: 1, base: 1, take: true, owed: true},
			{seq: 2, base: 1, take: true, owed: true, ack: true},
			{seq: 3, base: 3, take: true, owed: true},
		}},
		{"repeats are acknowledged again", []step{
			{seq: 1, base: 1, take: true, owed: true, ack: true},
			{seq: 1, base: 1, owed: true, ack: true},
			{seq: 1, base: 1, owed: true},
		}},
		{"a gap is asked for once", []step{
			{seq: 1, base: 1, take: true, owed: true, ack: true},
			{seq: 3, base: 1, owed: true, now: true, ack: true},
			{seq: 4, base: 1},
			{seq: 5, base: 1},
			{seq: 2, base: 1, take: true, owed: true, ack: true},
			{seq: 3, base: 2, take: true, owed: true, ack: true},
			{seq: 6, base: 2, owed: true, now: true}, // another gap
		}},
		{"and again when the sender repeats itself behind it", []step{
			{seq: 9, base: 1, owed: true, now: true, ack: true},
			{seq: 10, base: 1},
			{seq: 10, base: 1, owed: true, now: true, ack: true}, // it asks for a sign
			{seq: 2, base: 1, owed: true, now: true, ack: true},  // it went back, but 1 was lost again
			{seq: 3, base: 1},
			{seq: 4, base: 1},
			{seq: 4, base: 1, owed: true, now: true},
		}},
		{"what the sender dropped is lost", []step{
			{seq: 1, base: 1, take: true, owed: true},
			{seq: 6, base: 6, take: true, owed: true, lost: 4},
			{seq: 9, base: 8, owed: true, now: true, ack: true, lost: 5},
			{seq: 8, base: 8, take: true, owed: true, lost: 5},
		}},
		{"a gap that the sender's dropping moved is another", []step{
			{seq: 5, base: 1, owed: true, now: true, ack: true},
			{seq: 6, base: 3, owed: true, now: true, lost: 2},
		}},
		{"a late join begins where the sender still can", []step{
			{seq: 42, base: 40, owed: true, now: true, lost: 39, ack: true},
			{seq: 40, base: 40, take: true, owed: true, lost: 39},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var in In
			for i, s := range tt.steps {
				take := in.Take(wire.Header{Seq: s.seq, Base: s.base}, 100)
				owed, now := in.Due()
				if take != s.take || owed != s.owed || now != s.now || in.Lost() != s.lost {
					t.Fatalf("step %d: take %v, owed %v, now %v, lost %d; want %+v", i, take, owed, now, in.Lost(), s)
				}
				if s.ack {
					if _, again := in.Ack(); again != s.now {
						t.Fatalf("step %d: asks for a repeat: %v", i, again)
					}
					if owed, now := in.Due(); owed || now {
						t.Fatalf("step %d: still owes after the acknowledgement", i)
					}
				}
			}
		})
	}
}

// The sender stops when its window is full: acknowledgements come well before that.
func TestInAcknowledgesMuchAtOnce(t *testing.T) {
	var in In
	at := func(size int) (n int) {
		for {
			seq, _ := in.Ack()
			for n = 1; ; n++ {
				if !in.Take(wire.Header{Seq: seq + uint64(n), Base: 1}, size) {
					t.Fatal("not taken")
				}
				if _, now := in.Due(); now {
					return n
				}
			}
		}
	}
	if n := at(wire.HeaderSize + 10); n > windowBatches/4 {
		t.Errorf("an acknowledgement after %d small batches, the window is %d", n, windowBatches)
	}
	if n := at(wire.MaxBatch); n*wire.MaxBatch > windowBytes/4 {
		t.Errorf("an acknowledgement after %d bytes, the window is %d", n*wire.MaxBatch, windowBytes)
	}
}
