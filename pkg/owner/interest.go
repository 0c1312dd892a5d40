package owner

import "slices"

// AllLoops stands for every loop of a gateway.
const AllLoops = ^uint64(0)

// Interest is who has subscribers of one key: which loops of which gateways. The zero value has none.
type Interest struct{ gateways []audience }

// audience is one gateway's part of an interest, a bit for each of its loops.
type audience struct {
	gateway *Gateway
	loops   uint64
}

// Add notes that a loop has subscribers. It reports whether that is new.
func (i *Interest) Add(g *Gateway, loop uint16) bool {
	for k := range i.gateways {
		if a := &i.gateways[k]; a.gateway == g {
			had := a.loops
			a.loops |= 1 << loop
			return a.loops != had
		}
	}
	i.gateways = append(i.gateways, audience{gateway: g, loops: 1 << loop})
	return true
}

// Remove notes that some loops, a bit for each, have none any more.
func (i *Interest) Remove(g *Gateway, loops uint64) {
	for k := range i.gateways {
		if i.gateways[k].gateway == g {
			if i.gateways[k].loops &^= loops; i.gateways[k].loops == 0 {
				i.gateways = slices.Delete(i.gateways, k, k+1)
			}
			return
		}
	}
}

// Empty reports whether nobody has subscribers.
func (i *Interest) Empty() bool { return len(i.gateways) == 0 }

// Fanout gathers who is to get one message: each gateway once, whatever number of interests
// it has a part in. It is owned by a lane, and keeps its memory.
type Fanout struct {
	loops   []uint64 // by Gateway.Slot
	touched []*Gateway
}

// Touch adds an interest.
func (f *Fanout) Touch(i *Interest) {
	for _, a := range i.gateways {
		f.TouchLoops(a.gateway, a.loops)
	}
}

// TouchLoops adds some loops of a gateway, a bit for each.
func (f *Fanout) TouchLoops(g *Gateway, loops uint64) {
	for g.Slot >= len(f.loops) {
		f.loops = append(f.loops, 0)
	}
	if f.loops[g.Slot] == 0 {
		f.touched = append(f.touched, g)
	}
	f.loops[g.Slot] |= loops
}

// Len is how many gateways were touched.
func (f *Fanout) Len() int { return len(f.touched) }

// Reset forgets the gateways that were touched.
func (f *Fanout) Reset() {
	clear(f.loops)
	f.touched = f.touched[:0]
}

// Send calls send for each gateway that was touched, with its loops, and begins anew.
func (f *Fanout) Send(send func(g *Gateway, loops uint64)) {
	for _, g := range f.touched {
		send(g, f.loops[g.Slot])
		f.loops[g.Slot] = 0
	}
	f.touched = f.touched[:0]
}
