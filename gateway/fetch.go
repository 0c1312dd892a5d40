package gateway

import (
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// feedMost is how much of pages a connection gets in one turn, or one page: whoever recovers many topics at once
	// would run over OUTBOX_SIZE otherwise.
	feedMost = 64 << 10
	// feedTopics is for how many topics at once pages are fetched when a connection has taken what it was given.
	feedTopics = 8
)

// attach makes a connection a subscriber of a topic or room whose owner answered that its history stands at a position. It is behind
// until it has all that follows from, and gets nothing before l.follow. read says that the client has all up to from.
func (l *loop) attach(c *conn, e *entry, at, from wire.Position, read bool) {
	t := l.tracks[e.name]
	if t == nil {
		t = l.newTrack(e.name, at)
	}
	l.enroll(c, e)
	if c.greet != nil {
		delete(c.greet.since, e.name)
	}
	if newer(t.at.Epoch, at.Epoch) {
		from = t.at // an owner that is behind the loop will find out
	}
	if read {
		c.baseline(e, from.Offset)
	}
	if t.behind == nil {
		t.behind = make(map[uint32]*laggard)
	}
	t.behind[c.slot] = &laggard{gen: c.gen, at: from, waiting: true}
	l.want(t, at)
}

// follow lets those go on who waited for a reply or a welcome.
func (l *loop) follow(c *conn, t *track) {
	if b := t.behind[c.slot]; b != nil && b.gen == c.gen {
		b.waiting = false
		if samePosition(b.at, t.at) {
			delete(t.behind, c.slot)
			return
		}
		l.chase(t)
	}
}

// chase fetches what subscribers lack, a page at a time: from where the one stands who has least.
func (l *loop) chase(t *track) {
	if t.fetch != 0 {
		return
	}
	from, lacks := l.least(t)
	if !lacks && len(t.behind) == 0 {
		delete(l.chasing, t)
		return
	}
	l.chasing[t] = struct{}{}
	if lacks && l.wheel.now >= t.retry {
		t.fetch = l.ops.add(op{kind: opFetch, began: l.wheel.now, track: t, since: from}, "")
		l.send(t.fetch)
	}
}

// least is the lowest position from which somebody lacks something. One whose socket is full has to read first.
func (l *loop) least(t *track) (from wire.Position, lacks bool) {
	from, lacks = t.at, later(t.wanted, t.at)
	for slot, b := range t.behind {
		c := l.conns.get(slot, b.gen)
		switch {
		case c == nil || c.state != stateOpen && c.greet == nil:
			delete(t.behind, slot)
		case b.waiting || c.full():
		case samePosition(b.at, t.at):
			delete(t.behind, slot)
		case !lacks || sameEpoch(b.at.Epoch, from.Epoch) && b.at.Offset < from.Offset:
			from, lacks = b.at, true
		}
	}
	return from, lacks
}

// full reports whether a connection is to get no pages now.
func (c *conn) full() bool { return c.out != nil || c.fed >= feedMost }

// tickTracks goes on with those whose sockets were full, and with what failed.
func (l *loop) tickTracks() {
	for t := range l.chasing {
		l.chase(t)
	}
	if l.wheel.now-l.swept >= ticks(sweepTracks) {
		l.swept = l.wheel.now
		l.forgetTracks()
	}
}

// refeed goes on with those who got pages in this turn, which are written, where their sockets took them.
func (l *loop) refeed() {
	list := l.fed
	l.fed = l.fed[:0]
	for _, r := range list {
		if c := l.conns.get(r.slot, r.gen); c != nil {
			c.fed = 0
			l.chaseFor(c)
		}
	}
}

// chaseFor fetches more of what a connection lacks.
func (l *loop) chaseFor(c *conn) {
	if len(l.chasing) == 0 || c.out != nil {
		return
	}
	n := 0
	for i := range c.subs {
		if t := l.tracks[c.subs[i].entry.name]; t != nil && t.fetch == 0 && t.skips(c) {
			l.chase(t)
			if n++; n == feedTopics {
				return // the rest with the next page, or tick
			}
		}
	}
}

// sendFetch sends the record of an opFetch.
func (l *loop) sendFetch(h uint64, o *op) {
	t := o.track
	u, lane := t.realm.ownerOf(t.hash)
	if u == nil || !l.reachable(u.outs[lane]) {
		return
	}
	o.need, o.to = 1, u
	f := wire.Fetch{Op: h, Key: t.key, After: o.since}
	if sameEpoch(t.at.Epoch, o.since.Epoch) {
		f.Least = t.at.Offset
	}
	if sameEpoch(t.wanted.Epoch, o.since.Epoch) {
		f.Least = max(f.Least, t.wanted.Offset)
	}
	l.gw.metrics.fetches.Inc()
	l.endRecord(u, lane, wire.AppendFetch(l.beginRecord(u, lane), &f))
}

// paged takes a page of a history.
func (l *loop) paged(p *wire.Page) {
	o := l.ops.find(p.Op)
	if o == nil || o.kind != opFetch {
		return
	}
	t, since := o.track, o.since
	asked := since.Epoch
	l.ops.end(p.Op)
	if t.fetch = 0; l.tracks[t.key] != t {
		return
	}
	if p.Code != 0 || p.First == 0 {
		l.pause(t)
		if p.Code == protocol.CodeNotFound { // it has no history any more
			t.behind, t.wanted = nil, t.at
		}
		l.chase(t)
		return
	}
	if !sameEpoch(since.Epoch, p.Top.Epoch) || !born(since.Epoch) {
		since = wire.Position{Epoch: p.Top.Epoch}
	}
	s := sheet{page: p, since: since.Offset, last: p.First + uint64(p.Len()) - 1}
	moved := l.hand(t, &s)
	moved = l.catchUp(t, &s) || moved
	if later(p.Top, t.wanted) {
		t.wanted = p.Top // what the owner stored without this loop's knowledge, too
	}
	if moved {
		t.vain = 0
	} else if p.Len() == 0 || newer(asked, p.Top.Epoch) { // the owner does not have it yet, or not any more
		l.pause(t)
	}
	t.caughtUp()
	l.chase(t)
}

// pause has nothing fetched for a while.
func (l *loop) pause(t *track) {
	t.retry = l.wheel.now + ticks(fetchPause)<<min(t.vain, 2)
	t.vain++
}

// sheet is a page, and behind which offset it was asked for: what lies between that and its first is lost.
type sheet struct {
	page  *wire.Page
	since uint64
	last  uint64 // offset of the last frame
}

// behind returns the frames behind an offset, one after another.
func (s *sheet) behind(offset uint64) []byte {
	at := 0
	for i := range int(offset + 1 - s.page.First) {
		at += s.page.Length(i)
	}
	return s.page.Frames[at:]
}

// hand gives those who are behind what they lack of the page. It reports whether anybody got somewhere.
func (l *loop) hand(t *track, s *sheet) (moved bool) {
	epoch, e := s.page.Top.Epoch, l.entries[t.key]
	for slot, b := range t.behind {
		c := l.conns.get(slot, b.gen)
		if c == nil || b.waiting || c.full() {
			continue
		}
		if b.at.Epoch != epoch {
			if newer(b.at.Epoch, epoch) {
				continue
			}
			if born(b.at.Epoch) {
				l.sendGap(c, t, wire.Position{Epoch: epoch})
			}
			b.at = wire.Position{Epoch: epoch}
			c.baseline(e, 0)
			moved = true
		}
		if b.at.Offset < s.since {
			continue // it came after the page was asked for
		}
		if b.at.Offset+1 < s.page.First {
			b.at.Offset = s.page.First - 1
			l.sendGap(c, t, b.at)
			moved = true
		}
		if b.at.Offset < s.last {
			frames := s.behind(b.at.Offset)
			l.push(c, frames)
			l.unread(c, len(t.behind))
			if c.fed == 0 {
				l.fed = append(l.fed, connRef{c.slot, c.gen})
			}
			c.fed += int32(len(frames))
			b.at.Offset = s.last
			moved = true
			l.gw.metrics.recovered.Inc()
		}
	}
	return moved
}

// catchUp delivers what the loop itself lacks of the page. It reports whether there was anything.
func (l *loop) catchUp(t *track, s *sheet) (moved bool) {
	epoch := s.page.Top.Epoch
	if newer(t.at.Epoch, epoch) {
		return false
	}
	if t.at.Epoch != epoch {
		if born(t.at.Epoch) && born(epoch) {
			l.gapToAll(t, wire.Position{Epoch: epoch})
		}
		moved = born(epoch)
		t.at = wire.Position{Epoch: epoch}
		l.baseline(t.key, 0)
	}
	if t.at.Offset < s.since {
		return moved
	}
	if t.at.Offset+1 < s.page.First {
		t.at.Offset = s.page.First - 1
		l.gapToAll(t, t.at)
		moved = true
	}
	if t.at.Offset >= s.last {
		return moved
	}
	frames := s.behind(t.at.Offset)
	for i := int(t.at.Offset + 1 - s.page.First); i < s.page.Len(); i++ {
		n := s.page.Length(i)
		t.at.Offset++
		l.pass(&wire.Deliver{Topic: t.key, Frame: frames[:n:n], SentAt: l.now.UnixMicro(), At: t.at}, t)
		frames = frames[n:]
	}
	return true
}
