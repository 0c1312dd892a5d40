package presence

import (
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// watchers is who watches a user, and what they were last told. It is pure.
type watchers struct {
	interest owner.Interest
	shown    uint64 // digest of what they know
	told     []seen // what places said they know, when this owner was new to them
}

// seen is what the watchers of one place know.
type seen struct {
	place
	digest uint64
}

// digestOf is what of a presence is worth telling: not the number of connections, and not the
// time. It is never 0.
func digestOf(p *protocol.UserPresence) uint64 {
	h := xxh3.New()
	for _, s := range []string{p.Status, p.Message, string(p.Metadata)} {
		_, _ = h.WriteString(s) // never fails
		_, _ = h.Write([]byte{0})
	}
	return max(h.Sum64(), 1)
}

// add notes a place that is about to be told what is shown now.
func (w *watchers) add(at place) { w.interest.Add(at.gateway, at.loop) }

// hear notes a place that was told something by an earlier owner.
func (w *watchers) hear(at place, digest uint64) {
	w.interest.Add(at.gateway, at.loop)
	w.told = append(w.told, seen{at, digest})
}

// remove notes that some loops of a gateway do not watch any more.
func (w *watchers) remove(g *owner.Gateway, loops uint64) {
	w.interest.Remove(g, loops)
	w.told = slices.DeleteFunc(w.told, func(s seen) bool { return s.gateway == g && loops>>s.loop&1 != 0 })
}

// show says whether everyone is to be told of a digest: it is news.
func (w *watchers) show(digest uint64) bool {
	if w.shown == digest {
		return false
	}
	w.shown = digest
	return true
}

// behind returns the places that know something else than is shown now, once.
func (w *watchers) behind() (places []place) {
	for _, s := range w.told {
		if s.digest != w.shown {
			places = append(places, s.place)
		}
	}
	w.told = nil
	return places
}
