package gateway

import (
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// attach makes a connection a subscriber of a topic or room whose owner answered that its history stands at a position. It is behind
// until it has all that follows from, where the loop is not just there. waiting: it gets nothing before l.follow.
func (l *loop) attach(c *conn, e *entry, at, from wire.Position, waiting bool) {
	t := l.tracks[e.name]
	if t == nil {
		t = l.newTrack(e.name, at)
	}
	l.enroll(c, e)
	c.baseline(e, from.Offset)
	delete(t.behind, c.slot)
	if c.greet != nil {
		delete(c.greet.since, e.name)
	}
	if newer(t.at.Epoch, at.Epoch) {
		from = t.at // an owner that is behind the loop will find out
	}
	if !waiting && samePosition(from, t.at) {
		l.chase(t)
		return
	}
	if t.behind == nil {
		t.behind = make(map[uint32]*laggard)
	}
	t.behind[c.slot] = &laggard{gen: c.gen, at: from, waiting: waiting}
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
		case c == nil || c.state != stateOpen && c.greet == nil || !subscribed(c, l.entries[t.key]):
			delete(t.behind, slot)
		case b.waiting || c.out != nil:
		case !lacks || sameEpoch(b.at.Epoch, from.Epoch) && b.at.Offset < from.Offset:
			from, lacks = b.at, true
		}
	}
	return from, lacks
}

// tickTracks goes on with those whose sockets were full, and with what failed.
func (l *loop) tickTracks() {
	for t := range l.chasing {
		l.chase(t)
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
	l.ops.end(p.Op)
	if t.fetch = 0; l.tracks[t.key] != t {
		return
	}
	if p.Code != 0 {
		t.retry = l.wheel.now + ticks(fetchPause)
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
	l.hand(t, &s)
	l.catchUp(t, &s)
	if !later(p.Top, t.at) && later(t.wanted, t.at) { // the owner does not have it yet
		t.retry = l.wheel.now + ticks(fetchPause)
		if newer(p.Top.Epoch, t.wanted.Epoch) {
			t.wanted = t.at
		}
	}
	l.advance(t, t.at)
	l.chase(t)
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

// hand gives those who are behind what they lack of the page.
func (l *loop) hand(t *track, s *sheet) {
	epoch := s.page.Top.Epoch
	for slot, b := range t.behind {
		c := l.conns.get(slot, b.gen)
		if c == nil || b.waiting || c.out != nil {
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
		}
		if b.at.Offset < s.since {
			continue // it came after the page was asked for
		}
		if b.at.Offset+1 < s.page.First {
			b.at.Offset = s.page.First - 1
			l.sendGap(c, t, b.at)
		}
		if b.at.Offset < s.last {
			l.push(c, s.behind(b.at.Offset))
			l.unread(c)
			b.at.Offset = s.last
			l.gw.metrics.recovered.Inc()
		}
	}
}

// catchUp delivers what the loop itself lacks of the page.
func (l *loop) catchUp(t *track, s *sheet) {
	epoch := s.page.Top.Epoch
	if newer(t.at.Epoch, epoch) {
		return
	}
	if t.at.Epoch != epoch {
		if born(t.at.Epoch) && born(epoch) {
			l.gapToAll(t, wire.Position{Epoch: epoch})
		}
		t.at = wire.Position{Epoch: epoch}
	}
	if t.at.Offset < s.since {
		return
	}
	if t.at.Offset+1 < s.page.First {
		t.at.Offset = s.page.First - 1
		l.gapToAll(t, t.at)
	}
	if t.at.Offset >= s.last {
		return
	}
	frames := s.behind(t.at.Offset)
	for i := int(t.at.Offset + 1 - s.page.First); i < s.page.Len(); i++ {
		n := s.page.Length(i)
		t.at.Offset++
		l.pass(&wire.Deliver{Topic: t.key, Frame: frames[:n:n], SentAt: l.now.UnixMicro(), At: t.at}, t)
		frames = frames[n:]
	}
}
