package gateway

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// track is how far this loop has got in the history of one topic or room. Its subscribers get each message once and
// in order, whatever became of the owners: what comes twice is dropped, and what is missing is fetched first.
type track struct {
	key   string
	hash  uint64
	realm *realm
	owner *upstream // who was told last, where only patterns brought it here; nil: nobody

	at     wire.Position // all up to here was delivered to the subscribers, but for those behind
	wanted wire.Position // the owner has this for certain
	behind map[uint32]*laggard
	fetch  uint64 // op; 0: none
	retry  uint32 // tick before which nothing is fetched
	vain   uint32 // fetches in a row that brought nothing
	used   uint32 // tick of the last message
}

// laggard is a connection that recovers: it gets pages until it has come as far as its loop.
type laggard struct {
	gen     uint32
	at      wire.Position // all up to here was sent to it
	waiting bool          // for the reply to its Subscribe, or for its welcome
}

// newTrack begins a track at a position.
func (l *loop) newTrack(key string, at wire.Position) *track {
	t := &track{key: cloneKey(l.entries, key), at: at, realm: &l.routers, used: l.wheel.now}
	if !wire.IsTopic(key) {
		t.realm = &l.presences
	}
	t.hash = cluster.Hash(wire.OwnerKey(t.key))
	t.owner, _ = t.realm.ownerOf(t.hash)
	l.tracks[t.key] = t
	return t
}

// deliver marks the subscribers of a topic, of the connections of a user, of a room's members.
//
// Hop 7 of a Broadcast's way; the last is drain.
func (l *loop) deliver(d *wire.Deliver) {
	if d.At.Offset == 0 {
		l.pass(d, nil)
		return
	}
	t := l.tracks[d.Topic]
	switch {
	case t == nil:
		if l.pass(d, nil) {
			l.newTrack(d.Topic, d.At)
			l.baseline(d.Topic, d.At.Offset-1)
		}
	case t.follows(d.At) || history.Breaks("gap"):
		l.pass(d, t)
		t.at, t.used = d.At, l.wheel.now
	case later(d.At, t.at):
		l.gw.metrics.gaps.Inc()
		l.want(t, d.At)
	default:
		l.gw.metrics.repeats.Inc()
	}
}

// baseline notes that the subscribers of a topic or room begin behind an offset.
func (l *loop) baseline(key string, offset uint64) {
	if e := l.entries[key]; e != nil {
		for _, s := range e.subs {
			l.conns.at(s.slot).baseline(e, offset)
		}
	}
}

// follows reports whether a position is the one behind the track's.
func (t *track) follows(p wire.Position) bool {
	if p.Epoch == t.at.Epoch {
		return p.Offset == t.at.Offset+1
	}
	return !born(t.at.Epoch) && p.Offset == 1
}

// later reports whether a position comes after another: in the same numbering, or in a later one.
func later(a, b wire.Position) bool {
	if sameEpoch(a.Epoch, b.Epoch) {
		return a.Offset > b.Offset
	}
	return newer(a.Epoch, b.Epoch)
}

func born(epoch uint64) bool { return history.Epoch(epoch).Born() }

// sameEpoch reports whether two epochs are one numbering: all that have not begun are.
func sameEpoch(a, b uint64) bool { return a == b || !born(a) && !born(b) }

func samePosition(a, b wire.Position) bool {
	return sameEpoch(a.Epoch, b.Epoch) && a.Offset == b.Offset
}

func newer(a, b uint64) bool { return born(a) && (!born(b) || a > b) }

// caughtUp forgets those who have as much as the loop: they are behind no more.
func (t *track) caughtUp() {
	for slot, b := range t.behind {
		if samePosition(b.at, t.at) && !b.waiting {
			delete(t.behind, slot)
		}
	}
}

// skips reports whether a connection is behind, and gets nothing but pages.
func (t *track) skips(c *conn) bool {
	if t == nil || len(t.behind) == 0 {
		return false
	}
	b := t.behind[c.slot]
	return b != nil && b.gen == c.gen
}

// want has fetched what the owner has up to a position.
func (l *loop) want(t *track, p wire.Position) {
	if later(p, t.wanted) {
		t.wanted = p
	}
	l.chase(t)
}

// placed takes an owner's word of where a history stands: elsewhere than this loop told it, or of a room that is new here.
func (l *loop) placed(p *wire.Placed) {
	if t := l.tracks[p.Key]; t != nil && later(p.At, t.at) {
		l.gw.metrics.tails.Inc()
		l.want(t, p.At)
		return
	}
	l.beginRoom(p.Key, p.At)
}

// beginRoom begins the track of a room of which members are here, where there is none.
func (l *loop) beginRoom(key string, at wire.Position) {
	if e := l.entries[key]; at.Epoch != 0 && e != nil && e.kind == kindRoom && len(e.subs) > 0 && l.tracks[key] == nil {
		l.newTrack(key, at)
		l.baseline(key, at.Offset)
	}
}

// tellTracks tells the owners that are new of topics which only patterns brought here: nobody else can
// know whether what the former owner stored last has come.
func (l *loop) tellTracks(r *realm) {
	for _, t := range l.tracks {
		if t.realm != r {
			continue
		}
		if u, lane := r.ownerOf(t.hash); u != nil && u != t.owner {
			t.owner = u
			if e := l.entries[t.key]; e == nil || !e.joined { // otherwise it was told with the entry
				l.tellTrack(t, u, lane)
			}
		}
	}
}

func (l *loop) tellTrack(t *track, u *upstream, lane int) {
	l.endRecord(u, lane, wire.AppendPlaced(l.beginRecord(u, lane), wire.KindTrack, &wire.Placed{Key: t.key, At: t.at}))
}

// lostFrom asks an owner's lane whether the batches that it dropped were about histories.
func (l *loop) lostFrom(ref cluster.Ref, lane int) {
	for _, t := range l.tracks {
		if u, at := t.realm.ownerOf(t.hash); u != nil && u.node.Ref == ref && at == lane {
			l.tellTrack(t, u, lane)
		}
	}
}

// dropTrack gives up the track of a key that nobody here is subscribed to any more.
func (l *loop) dropTrack(key string) {
	t := l.tracks[key]
	if t == nil || l.patterns.Len() > 0 && wire.IsTopic(key) && l.matched(key) {
		return
	}
	delete(l.tracks, key)
	delete(l.chasing, t)
}

// dropTracks gives up the tracks of topics that only a pattern brought here.
func (l *loop) dropTracks() {
	for key := range l.tracks {
		if l.entries[key] == nil {
			l.dropTrack(key)
		}
	}
}

const (
	// trackIdle is after how long without a message the track of a topic that only a pattern brought here is given up: there
	// may be ever new topics. What is published next begins another.
	trackIdle = time.Hour
	// sweepTracks is how often they are looked for.
	sweepTracks = 5 * time.Minute
)

// forgetTracks gives up the tracks of topics that only a pattern brought here, a long time ago.
func (l *loop) forgetTracks() {
	for key, t := range l.tracks {
		if l.entries[key] == nil && t.fetch == 0 && l.wheel.now-t.used > ticks(trackIdle) {
			delete(l.tracks, key)
			delete(l.chasing, t)
		}
	}
}

// leaveBehind forgets what a connection lacks of topics that it does not get any more, by an entry that it left.
func (l *loop) leaveBehind(c *conn, e *entry) {
	leave := func(t *track) {
		if t.behind[c.slot] != nil && !l.gets(c, t.key) {
			delete(t.behind, c.slot)
		}
	}
	if e.pattern {
		for t := range l.chasing {
			leave(t)
		}
	} else if t := l.tracks[e.name]; t != nil {
		leave(t)
	}
}

// gets reports whether a connection is subscribed to a topic, by its name or a pattern, or is in a room.
func (l *loop) gets(c *conn, key string) (any bool) {
	if e := l.entries[key]; e != nil && subscribed(c, e) {
		return true
	}
	if l.patterns.Len() > 0 && wire.IsTopic(key) {
		l.patterns.Match(key, func(_ string, e *entry) { any = any || subscribed(c, e) })
	}
	return any
}

func (l *loop) matched(topic string) (any bool) {
	l.patterns.Match(topic, func(string, *entry) { any = true })
	return any
}

// sendGap tells a connection that what it has not got up to a position is lost to it.
func (l *loop) sendGap(c *conn, t *track, to wire.Position) {
	l.gw.metrics.holes.Inc()
	topic, room := t.key, ""
	if wire.IsRoom(t.key) {
		topic, room = "", wire.Name(t.key)
	}
	var frame []byte
	l.arena, frame = protocol.AppendGap(l.arena, topic, room, clientPosition(to))
	l.push(c, frame)
}

// gapToAll tells all subscribers but those behind.
func (l *loop) gapToAll(t *track, to wire.Position) {
	told := make(map[*conn]bool)
	tell := func(e *entry) {
		for _, s := range e.subs {
			c := l.conns.at(s.slot)
			if ch := e.change(c.slot); ch != nil && !ch.base {
				continue
			}
			if !told[c] && !t.skips(c) {
				told[c] = true
				l.sendGap(c, t, to)
			}
		}
	}
	if e := l.entries[t.key]; e != nil {
		tell(e)
	}
	if wire.IsTopic(t.key) {
		l.patterns.Match(t.key, func(_ string, e *entry) { tell(e) })
	}
}

func clientPosition(p wire.Position) protocol.Position {
	return protocol.Position{Offset: p.Offset, Epoch: history.Epoch(p.Epoch).String()}
}

// fetchPause is after how long a fetch that failed, or brought nothing, is tried again; up to four times that, when it goes on so.
const fetchPause = 500 * time.Millisecond
