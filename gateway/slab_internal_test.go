package gateway

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// The slab against a map: who took a slot finds the connection by it until it is put back,
// and never again by that generation.
func TestSlabAgainstModel(t *testing.T) {
	type place struct{ slot, gen uint32 }
	var s slab
	live := make(map[place]*conn)
	var gone []place
	r := rand.New(rand.NewPCG(3, 4))
	for range 50000 {
		if r.IntN(2) == 0 && len(live) < 3*slabSize {
			c := s.take()
			at := place{c.slot, c.gen}
			if live[at] != nil || c.gen == 0 || c.state != stateFree {
				t.Fatalf("%+v was given out while it is taken", at)
			}
			c.state, c.fd = stateOpen, int32(c.slot)
			live[at] = c
		} else {
			for at, c := range live {
				s.put(c)
				delete(live, at)
				gone = append(gone, at)
				break
			}
		}
		if s.used != len(live) {
			t.Fatalf("%d in use, want %d", s.used, len(live))
		}
		if len(gone) > 0 {
			if at := gone[r.IntN(len(gone))]; s.get(at.slot, at.gen) != nil {
				t.Fatalf("%+v was put back, and is found", at)
			}
		}
	}
	n := 0
	s.each(func(c *conn) {
		if n++; live[place{c.slot, c.gen}] != c {
			t.Errorf("visited %d/%d, which is not in use", c.slot, c.gen)
		}
	})
	if n != len(live) || s.get(uint32(len(s.chunks)*slabSize), 1) != nil {
		t.Errorf("visited %d of %d", n, len(live))
	}
}

// The table of ops against a map: a handle finds its op until that ends, and nothing
// afterwards; listed, ops come in the order in which they began.
func TestOpsAgainstModel(t *testing.T) {
	var ops opTable
	live := make(map[uint64]string)
	var ended []uint64
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 20000 {
		switch {
		case r.IntN(2) == 0:
			id := fmt.Sprint(i)
			h := ops.add(op{kind: opReply}, id)
			if _, taken := live[h]; taken || h == 0 {
				t.Fatalf("handle %x was given out twice", h)
			}
			live[h] = id
		case len(live) > 0:
			for h := range live {
				ops.end(h)
				delete(live, h)
				ended = append(ended, h)
				break
			}
		}
		if len(ended) > 0 {
			if h := ended[r.IntN(len(ended))]; ops.find(h) != nil {
				t.Fatalf("op %x has ended, and is found", h)
			}
		}
		if i%1000 != 0 {
			continue
		}
		order := uint64(0)
		list := ops.handles(func(*op) bool { return true })
		for _, h := range list {
			o := ops.find(h)
			if string(o.id) != live[h] || o.order <= order {
				t.Fatalf("op %x: id %q, want %q; order %d behind %d", h, o.id, live[h], o.order, order)
			}
			order = o.order
		}
		if len(list) != len(live) || ops.live != len(live) {
			t.Fatalf("%d listed, %d counted, want %d", len(list), ops.live, len(live))
		}
	}
	if ops.find(0) != nil || ops.find(^uint64(0)) != nil {
		t.Error("a handle that was never given out finds something")
	}
}
