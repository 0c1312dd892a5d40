package router

import (
	"slices"

	"github.com/realtime-cluster/realtime/pkg/owner"
)

// interest is who has subscribers of one topic or pattern.
type interest struct {
	gateways []audience
	told     uint64 // the view by which it was last told
}

// audience is one gateway's part of an interest: which of its loops have subscribers.
type audience struct {
	gateway *owner.Gateway
	loops   uint64
}

func (i *interest) add(g *owner.Gateway, loop uint16) {
	for k := range i.gateways {
		if i.gateways[k].gateway == g {
			i.gateways[k].loops |= 1 << loop
			return
		}
	}
	i.gateways = append(i.gateways, audience{gateway: g, loops: 1 << loop})
}

func (i *interest) remove(g *owner.Gateway, loops uint64) {
	for k := range i.gateways {
		if i.gateways[k].gateway == g {
			if i.gateways[k].loops &^= loops; i.gateways[k].loops == 0 {
				i.gateways = slices.Delete(i.gateways, k, k+1)
			}
			return
		}
	}
}

func (i *interest) empty() bool { return len(i.gateways) == 0 }
