package link

import (
	"math/rand/v2"
	"testing"
)

func TestQueueAgainstSlice(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var q queue
		var want []uint64
		seq := uint64(0)
		pushes := 1 + rng.IntN(4) // of five steps
		for range 2000 {
			if rng.IntN(5) < pushes {
				seq++
				q.push(batch{seq: seq, buf: []byte{1}})
				want = append(want, seq)
			} else if len(want) > 0 {
				if got := q.pop().seq; got != want[0] {
					t.Fatalf("popped %d, want %d", got, want[0])
				}
				want = want[1:]
			}
			if q.len() != len(want) {
				t.Fatalf("%d in the queue, want %d", q.len(), len(want))
			}
			if len(want) > 0 {
				i := rng.IntN(len(want))
				if got := q.at(i).seq; got != want[i] {
					t.Fatalf("%d at %d, want %d", got, i, want[i])
				}
			}
		}
		held := 0
		for i := range q.ring {
			if q.ring[i].buf != nil {
				held++
			}
		}
		if held != len(want) {
			t.Fatalf("the ring keeps %d buffers, of %d batches", held, len(want))
		}
	}
}

func TestQueueShrinks(t *testing.T) {
	var q queue
	for _, n := range []int{queueKeep, 10 * queueKeep, 5} {
		for i := range n {
			q.push(batch{seq: uint64(i)})
		}
		for i := range n {
			if got := q.pop().seq; got != uint64(i) {
				t.Fatalf("popped %d, want %d", got, i)
			}
		}
		if len(q.ring) > queueKeep {
			t.Errorf("an empty queue keeps %d places", len(q.ring))
		}
	}
}

func TestPool(t *testing.T) {
	var p Pool
	for range 2 * poolBuffers {
		p.put(make([]byte, 100))
	}
	if len(p.free) != poolBuffers {
		t.Errorf("%d buffers kept, want %d", len(p.free), poolBuffers)
	}
	for range poolBuffers {
		if b := p.get(); len(b) != 0 || cap(b) != 100 {
			t.Fatalf("got a buffer of %d bytes, %d of room", len(b), cap(b))
		}
	}
	p.put(make([]byte, 0, poolMaxBuffer+1))
	if b := p.get(); cap(b) > poolMaxBuffer {
		t.Errorf("a buffer of %d bytes was kept", cap(b))
	}
}
