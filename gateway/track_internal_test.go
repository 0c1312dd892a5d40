package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Whatever is lost, comes twice, or late, and whoever owns a topic: each subscriber gets each message once, in order, from its
// position, or is told of what it does not get.
func TestTracksAgainstModel(t *testing.T) {
	seeds, steps := uint64(300), 1500
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := newPast(t, seed)
			for range steps {
				p.step()
			}
			p.settle()
		})
	}
}

func (p *past) step() {
	topic := []string{"h.a", "h.b"}[p.r.IntN(2)]
	var k *listener
	if len(p.peers) > 0 {
		k = p.peers[p.r.IntN(len(p.peers))]
	}
	switch n := p.r.IntN(100); {
	case n < 30 && len(p.down) > 0:
		p.arrive(p.r.IntN(15) == 0)
	case n < 50 && len(p.up) > 0:
		p.handle()
	case n < 65:
		p.publish(topic)
	case n < 72:
		p.tick()
	case n < 76 && p.lost:
		p.tell()
	case n < 80 && len(p.peers) < 8:
		p.connect()
	case n < 82 && k != nil:
		p.end(k)
	case n < 88 && k != nil && len(k.asked) == 0:
		p.subscribe(k, topic)
	case n < 91 && k != nil && len(k.asked) == 0:
		p.ask(k, true, nil, []string{"h.a", "h.b", "h.*"}[p.r.IntN(3)])
	case n < 95 && k != nil:
		if k.c.out == nil {
			k.c.out = &outbox{}
		} else {
			k.c.out = nil
			p.l.chaseFor(k.c)
			p.take()
		}
	case n < 97: // what is old goes
		s := p.logs[topic]
		s.floor = min(s.floor+uint64(p.r.IntN(6)), s.top+1)
	case n == 97 && p.r.IntN(3) == 0: // or all of it
		p.logs[topic] = &stored{epoch: p.unborn(), floor: 1}
		p.note("%s is gone", topic)
	case n == 98 && p.r.IntN(3) == 0:
		p.begin()
	case n == 99: // an owner that has missed what another one wrote
		if s := p.logs[topic]; s.top > 0 {
			s.known -= min(s.known, uint64(p.r.IntN(2)))
			s.known = max(s.known, 1)
		}
	}
}

func (p *past) subscribe(k *listener, topic string) {
	switch at, had := k.at[topic]; {
	case p.r.IntN(4) == 0:
		p.ask(k, false, nil, "h.*")
	case p.r.IntN(2) == 0:
		p.ask(k, false, nil, topic)
	case had && !k.exact[topic] && !k.all:
		p.ask(k, false, map[string]wire.Position{topic: at}, topic)
	default:
		s := p.logs[topic]
		p.ask(k, false, map[string]wire.Position{topic: {Offset: p.r.Uint64N(s.top + 2), Epoch: s.epoch}}, "h.a", "h.b")
	}
}

// settle lets everything come to rest: then everybody has everything, and nothing is left that nobody needs.
func (p *past) settle() {
	p.note("settles")
	for _, k := range p.peers {
		k.c.out = nil
	}
	p.begin()
	for range 300 {
		for len(p.up)+len(p.down) > 0 {
			if len(p.up) > 0 {
				p.handle()
			} else {
				p.arrive(false)
			}
		}
		p.tick()
	}
	for _, k := range p.peers { // the last messages as well, without any that follow
		for topic, s := range p.logs {
			if at := k.at[topic]; (k.exact[topic] || k.all) && at.Epoch == s.epoch && at != s.at() {
				p.fatal("%d has %s up to %v, want %v", k.c.slot, topic, at, s.at())
			}
		}
	}
	for _, topic := range []string{"h.a", "h.b"} { // a message each, lest what is gone stays unnoticed
		p.publish(topic)
	}
	for range 300 {
		for len(p.up)+len(p.down) > 0 {
			if len(p.up) > 0 {
				p.handle()
			} else {
				p.arrive(false)
			}
		}
		p.tick()
	}
	for _, k := range p.peers {
		for topic, s := range p.logs {
			if (k.exact[topic] || k.all) && k.at[topic] != s.at() {
				p.fatal("%d has %s up to %v, want %v", k.c.slot, topic, k.at[topic], s.at())
			}
		}
	}
	for key, tr := range p.l.tracks {
		if len(tr.behind) > 0 || tr.fetch != 0 {
			p.fatal("%d are behind in %s, fetch %d", len(tr.behind), key, tr.fetch)
		}
	}
	if len(p.l.chasing) > 0 || p.l.ops.live > 0 {
		p.fatal("%d tracks are chased, %d ops are live", len(p.l.chasing), p.l.ops.live)
	}
	for len(p.peers) > 0 {
		p.end(p.peers[0])
	}
	if len(p.l.tracks)+len(p.l.entries)+p.l.patterns.Len() > 0 {
		p.fatal("%d tracks and %d entries are left", len(p.l.tracks), len(p.l.entries))
	}
}

// The track of a topic that only a pattern brought here is not kept for ever.
func TestTracksOfPatternsAreForgotten(t *testing.T) {
	p := newPast(t, 1)
	p.connect()
	p.ask(p.peers[0], false, nil, "h.*")
	p.handle()
	p.arrive(false)
	for _, topic := range []string{"h.a", "h.b"} {
		p.publish(topic)
		p.arrive(false)
	}
	p.l.wheel.now += ticks(trackIdle / 2)
	p.publish("h.a")
	p.arrive(false)
	p.tick()
	if len(p.l.tracks) != 2 {
		t.Fatalf("%d tracks, want 2", len(p.l.tracks))
	}
	p.l.wheel.now += ticks(trackIdle/2 + time.Minute)
	p.tick()
	if len(p.l.tracks) != 1 || p.l.tracks["h.a"] == nil {
		t.Fatalf("%d tracks, want that of h.a", len(p.l.tracks))
	}
	p.publish("h.b")
	p.arrive(false)
	if p.peers[0].at["h.b"].Offset != 2 || len(p.l.tracks) != 2 {
		t.Errorf("at %v, with %d tracks", p.peers[0].at, len(p.l.tracks))
	}
}

func TestBefore(t *testing.T) {
	tests := []struct {
		offset uint64
		low    uint32
		want   uint64
	}{
		{0, 0, 0}, {5, 5, 5}, {5, 0, 0}, {7, 3, 3},
		{3, 500, 0}, // of another epoch
		{1 << 32, 1<<32 - 1, 1<<32 - 1}, {1<<32 + 5, 0, 1 << 32}, {1<<40 + 1, 1<<32 - 2, 1<<40 - 2},
		{1<<53 - 1, 1<<32 - 1001, 1<<53 - 1001},
	}
	for _, tt := range tests {
		if got := before(tt.offset, tt.low); got != tt.want {
			t.Errorf("before(%d, %d) = %d, want %d", tt.offset, tt.low, got, tt.want)
		}
	}
}
