package presence

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// interested is who gets what is sent to an interest, by place.
func interested(i *owner.Interest) map[place]bool {
	places := make(map[place]bool)
	var f owner.Fanout
	f.Touch(i)
	f.Send(func(g *owner.Gateway, loops uint64) {
		for loop := range uint16(64) {
			if loops>>loop&1 != 0 {
				places[place{g, loop}] = true
			}
		}
	})
	return places
}

// watchersModel is watchers as simply as can be said: who watches, and what those who were told by an earlier owner
// said they know.
type watchersModel struct {
	here  map[place]bool
	told  []seen
	shown uint64
}

func TestWatchersLikeTheirModel(t *testing.T) {
	seeded(t, 20, func(t *testing.T, r *rand.Rand) {
		places := testPlaces(3, 3)
		var w watchers
		m := watchersModel{here: make(map[place]bool)}
		for range 2000 {
			at, digest := oneOf(r, places), 1+r.Uint64N(3)
			switch r.IntN(8) {
			case 0, 1:
				w.add(at)
				m.here[at] = true
			case 2:
				w.hear(at, digest)
				m.here[at] = true
				m.told = append(m.told, seen{at, digest})
			case 3:
				gone := func(p place) bool { return p == at }
				loops := uint64(1) << at.loop
				if r.IntN(4) == 0 {
					gone, loops = func(p place) bool { return p.gateway == at.gateway }, owner.AllLoops
				}
				w.remove(at.gateway, loops)
				maps.DeleteFunc(m.here, func(p place, _ bool) bool { return gone(p) })
				m.told = slices.DeleteFunc(m.told, func(s seen) bool { return gone(s.place) })
			case 4:
				if got, want := w.show(digest), m.shown != digest; got != want {
					t.Fatalf("show says %v, want %v", got, want)
				}
				m.shown = digest
			case 5:
				var want []place
				for _, s := range m.told {
					if s.digest != m.shown {
						want = append(want, s.place)
					}
				}
				m.told = nil
				if got := w.behind(); !slices.Equal(got, want) {
					t.Fatalf("behind: %v, want %v", got, want)
				}
			}
			if got := interested(&w.interest); !maps.Equal(got, m.here) {
				t.Fatalf("%v watch, want %v", got, m.here)
			}
			if w.interest.Empty() != (len(m.here) == 0) {
				t.Fatalf("empty: %v, while %d watch", w.interest.Empty(), len(m.here))
			}
		}
	})
}

// What is worth telling is the status, the message and the metadata, and each apart.
func TestDigestOf(t *testing.T) {
	presences := []protocol.UserPresence{
		{Status: "online"},
		{Status: "offline"},
		{Status: "away"},
		{Status: "online", Message: "a"},
		{Status: "online", Message: "b"},
		{Status: "onlinea"},
		{Status: "online", Metadata: []byte(`{"a":1}`)},
		{Status: "online", Metadata: []byte(`{"a":2}`)},
		{Status: "online", Message: `{"a":1}`},
		{Status: "online", Message: "a", Metadata: []byte(`{"a":1}`)},
		{Status: "online", Message: "a\x00" + `{"a":1}`},
		{Status: "online", Message: "a\x00"},
		{},
	}
	for i, p := range presences {
		digest := digestOf(&p)
		if digest == 0 {
			t.Errorf("%+v: the digest is 0", p)
		}
		same := p
		same.LastSeen, same.Connections, same.User = 1_763_856_000_000, 7, "alice"
		if digestOf(&same) != digest {
			t.Errorf("%+v: the digest depends on the time, the connections or the name", p)
		}
		for j, q := range presences {
			if i != j && digestOf(&q) == digest {
				t.Errorf("%+v and %+v have the same digest", p, q)
			}
		}
	}
}
