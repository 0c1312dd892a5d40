package presence

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// heldMost and heldBytes bound the direct messages of one user that wait while its queue is
	// read or written; past them the sender gets Error 503.
	heldMost  = 256
	heldBytes = 256 << 10
	// pageMost and pageBytes are how many queued messages a connection is sent at a time.
	pageMost  = 64
	pageBytes = 64 << 10
	// confirmTime is how long they may remain unconfirmed before live messages go on: their senders wait
	// for an answer, REQUEST_TIMEOUT at most.
	confirmTime = 2 * time.Second
	// readEvery paces the reading of queues that were left by a former owner.
	readEvery = time.Millisecond
)

// box is what a user has while direct messages are on their way to or from its queue. Messages that come
// meanwhile are held, so that none overtakes another.
type box struct {
	moving  bool // the next owner waits for the call that is under way
	busy    bool // a call to Redis is under way
	known   bool // there is a queue
	held    []held
	bytes   int
	to      *greet    // the connection for which the queue is to be read; nil: it is not
	sent    *page     // what that was sent and has not confirmed
	remove  []string  // positions of what was confirmed
	retryAt time.Time // before it the queue is not read, and nothing is removed
	failed  bool      // the last call did
}

// held is a direct message that waits; Quiet says that it was sent to a gateway that is gone.
type held struct {
	from owner.Source
	wire.Publish
}

// page is a number of queued messages that a connection was sent.
type page struct {
	place
	batch     uint64
	positions []string
	at        time.Time
	late      bool // for confirmTime it was not confirmed, which it still may be
}

// direct deals with a direct message: to the user's connections, or, when there is none, into
// the queue.
func (r *registry) direct(from owner.Source, p *wire.Publish) {
	u := r.users[p.Topic]
	if u != nil && u.box == nil && u.begun() {
		r.deliverDirect(u, from, p)
		return
	}
	if r.cfg.Queue == nil && (u == nil || u.connections() == 0) {
		r.notQueued(from, p, &refusal{protocol.CodeNotFound, "target_user: not here, and queueing is off"})
		return
	}
	if u == nil {
		u = r.user(p.Topic)
	}
	if u.box == nil {
		u.box = &box{}
	}
	b := u.box
	if len(b.held) >= heldMost || b.bytes+len(p.Payload) > heldBytes {
		r.metrics.heldFull.Inc()
		r.notQueued(from, p, away)
		return
	}
	if b.to != nil && !b.failed {
		b.retryAt = time.Time{} // what waits comes before it
	}
	b.held = append(b.held, held{from, clonePublish(p)})
	b.bytes += len(p.Payload)
	r.goOn(u)
}

// clonePublish copies what aliases a batch. The topic is the user's key, and not needed; neither are the roles, which the
// rules have seen.
func clonePublish(p *wire.Publish) wire.Publish {
	c := *p
	c.Topic, c.Roles = "", ""
	c.User, c.ID, c.Metadata = strings.Clone(p.User), strings.Clone(p.ID), strings.Clone(p.Metadata)
	c.Payload = bytes.Clone(p.Payload)
	return c
}

// goOn does the next thing for a user's box, until a call is under way or nothing is left.
func (r *registry) goOn(u *user) {
	for b := u.box; b != nil && !b.busy && (b.sent == nil || b.sent.late); b = u.box {
		if u.connections() > 0 && !u.begun() {
			return // until greet
		}
		if !r.lane.Owns(u.key) {
			r.boxes[u] = struct{}{} // it is about to be given up, unless it comes back
			return
		}
		due := !r.lane.Now().Before(b.retryAt)
		switch {
		case b.sent != nil && len(b.held) == 0: // live messages go on, but not the queue
			r.boxes[u] = struct{}{}
			return
		case b.sent == nil && len(b.remove) > 0 && due:
			r.removeQueued(u)
		case b.sent == nil && b.to != nil && len(b.remove) == 0 && due:
			r.readQueue(u)
		case len(b.held) > 0:
			first := b.held[0]
			b.held = b.held[1:]
			b.bytes -= len(first.Payload)
			if u.connections() > 0 {
				r.deliverDirect(u, first.from, &first.Publish)
			} else {
				r.appendQueue(u, first)
			}
		case b.to != nil || len(b.remove) > 0:
			r.boxes[u] = struct{}{} // and a tick comes back to it
			return
		default:
			u.box = nil
			r.tidy(u)
			return
		}
	}
}

// deliverDirect sends a direct message to all connections of a user.
func (r *registry) deliverDirect(u *user, from owner.Source, p *wire.Publish) {
	r.metrics.direct.Inc()
	id := r.lane.MessageID(p.ID)
	var frame []byte
	r.frame, frame = protocol.AppendDirectMessage(r.frame[:0], &protocol.Direct{
		Payload: p.Payload, User: p.User, MessageID: id, SentAt: p.SentAt / 1000,
		Queued:   p.Quiet, // it waited for a gateway that is gone
		Metadata: p.Metadata,
	})
	r.deliverUser(u, p.SentAt, frame)
	if p.ID != "" {
		var ack []byte
		r.frame, ack = protocol.AppendDelivered(r.frame[:0], p.ID, id, u.connections())
		r.reply(from, p.Op, p.Conn, ack)
	}
}

// appendQueue puts a direct message into the queue of a user who is not there.
func (r *registry) appendQueue(u *user, h held) {
	if h.ID == "" {
		h.ID = string([]byte(r.lane.MessageID("")))
	}
	given := h.Op != 0
	name := u.name()
	u.box.busy, u.drained = true, false
	r.redis.Work(r.lane, func(ctx context.Context) error {
		return r.cfg.Queue.Append(ctx, name, store.Message{
			ID: h.ID, From: h.User, Payload: h.Payload, SentAt: h.SentAt / 1000, Metadata: h.Metadata,
		})
	}, func(err error) {
		switch {
		case err == nil:
			r.metrics.queued.Inc()
			if given {
				var ack []byte
				r.frame, ack = protocol.AppendQueued(r.frame[:0], h.ID, h.ID)
				r.reply(h.from, h.Op, h.Conn, ack)
			}
		case errors.Is(err, store.ErrQueueFull):
			if !given {
				h.ID = ""
			}
			r.notQueued(h.from, &h.Publish, queueFull)
		default:
			if !given {
				h.ID = ""
			}
			r.notQueued(h.from, &h.Publish, away)
		}
		r.called(u, nil)
	})
}

// awaitCalls notes whose queues are read or written while they move to another owner.
func (r *registry) awaitCalls() {
	r.moving = 0
	for _, u := range r.users {
		if b := u.box; b != nil {
			if b.moving = b.busy && !r.lane.Owns(u.key); b.moving {
				r.moving++
			}
		}
	}
}

// moved ends the waiting for a call.
func (r *registry) moved(b *box) {
	if b.moving {
		b.moving = false
		r.moving--
	}
}

// called ends a call for a user's box.
func (r *registry) called(u *user, err error) {
	if r.users[u.key] != u || u.box == nil {
		return // it belongs to another owner now
	}
	b := u.box
	b.busy = false
	r.moved(b)
	if b.failed = err != nil; b.failed {
		b.retryAt = r.lane.Now().Add(retryTime)
	}
	if b.to == nil && u.connections() > 0 && !u.drained {
		b.to = &greet{place: u.spots[0].place} // it came while the call was under way
	}
	r.goOn(u)
}

// opened has what waits for a user sent to a connection that began.
func (r *registry) opened(u *user, g greet) {
	if r.cfg.Queue == nil || u.drained {
		return
	}
	if u.box == nil {
		u.box = &box{}
	}
	if b := u.box; b.to == nil || b.sent == nil && !b.busy || b.sent != nil && b.sent.late {
		b.sent, b.to, b.retryAt = nil, &g, time.Time{}
	}
	r.goOn(u)
}

// arrived has a user's queue read whose connection this owner did not see begin.
func (r *registry) arrived(u *user) {
	if r.cfg.Queue == nil || u.drained || u.box != nil || !r.lane.Owns(u.key) {
		return
	}
	r.nextRead = r.nextRead.Add(readEvery)
	if now := r.lane.Now(); r.nextRead.Before(now) {
		r.nextRead = now
	}
	u.box = &box{to: &greet{place: u.spots[0].place}, retryAt: r.nextRead}
	r.boxes[u] = struct{}{}
}

// readQueue reads the beginning of a user's queue, where there is one, and sends it.
func (r *registry) readQueue(u *user) {
	b := u.box
	if u.connections() == 0 {
		b.to = nil
		return
	}
	b.busy = true
	name := u.name()
	if !b.known {
		r.queues.ask(name, func(waits bool, err error) {
			if r.users[u.key] == u && u.box == b && err == nil {
				if b.known = waits; !waits {
					u.drained, b.to = true, nil
				}
			}
			r.called(u, err)
		})
		return
	}
	var entries []store.Entry
	r.redis.Work(r.lane, func(ctx context.Context) (err error) {
		entries, err = r.cfg.Queue.Read(ctx, name, "", pageMost)
		return err
	}, func(err error) {
		if r.users[u.key] == u && u.box == b && err == nil {
			if len(entries) > 0 && u.connections() > 0 {
				r.sendPage(u, entries)
			} else {
				u.drained, b.to = len(entries) == 0, nil
			}
		}
		r.called(u, err)
	})
}

// sendPage sends queued messages to one connection.
func (r *registry) sendPage(u *user, entries []store.Entry) {
	b := u.box
	if !u.has(b.to.place) {
		b.to = &greet{place: u.spots[0].place}
	}
	r.batch++
	p := &page{place: b.to.place, batch: r.batch, at: r.lane.Now()}
	r.frame = r.frame[:0]
	for _, e := range entries {
		if len(r.frame)+len(e.Payload) > pageBytes && len(p.positions) > 0 {
			break
		}
		p.positions = append(p.positions, e.Position)
		r.pageFrame(&e)
	}
	b.sent = p
	r.boxes[u] = struct{}{}
	q := wire.Queued{Conn: b.to.conn, Batch: p.batch, Key: u.key, Frames: r.frame}
	q.Conn.Loop = uint8(p.loop)
	r.lane.End(p.gateway, wire.AppendQueued(r.lane.Begin(p.gateway), &q))
}

// pageFrame appends the frame of a queued message to r.frame. A frame's header leaves room that it does
// not fill, so it is made apart.
func (r *registry) pageFrame(e *store.Entry) {
	var frame []byte
	r.scratch, frame = protocol.AppendDirectMessage(r.scratch[:0], &protocol.Direct{
		Payload: e.Payload, User: e.From, MessageID: e.ID, SentAt: e.SentAt, Queued: true, Metadata: e.Metadata,
	})
	r.frame = append(r.frame, frame...)
}

// confirmed takes a gateway's word on what became of queued messages.
func (r *registry) confirmed(c *wire.Confirm) {
	u := r.users[c.Key]
	if u == nil || u.box == nil || u.box.sent == nil || u.box.sent.batch != c.Batch {
		return // it took too long, or another owner sent them: they are sent again
	}
	b := u.box
	if !c.Lost {
		b.remove = b.sent.positions
	}
	b.sent = nil
	if c.Lost {
		b.to = nil
		if u.connections() > 0 {
			b.to = &greet{place: u.spots[0].place}
		}
	}
	r.goOn(u)
}

// removeQueued takes out of the queue what a client has.
func (r *registry) removeQueued(u *user) {
	b := u.box
	b.busy = true
	name, positions := u.name(), b.remove
	r.redis.Work(r.lane, func(ctx context.Context) error {
		return r.cfg.Queue.Remove(ctx, name, positions...)
	}, func(err error) {
		if err == nil {
			b.remove = nil
			r.metrics.flushed.Add(float64(len(positions)))
		}
		r.called(u, err)
	})
}

// tickQueues goes on with the boxes that wait for a time.
func (r *registry) tickQueues(now time.Time) {
	for u := range r.boxes {
		b := u.box
		switch {
		case b == nil || r.users[u.key] != u:
			delete(r.boxes, u)
			continue
		case b.sent != nil && !u.has(b.sent.place):
			b.sent, b.to = nil, nil
			if u.connections() > 0 {
				b.to = &greet{place: u.spots[0].place}
			}
		case b.sent != nil && !b.sent.late && now.Sub(b.sent.at) > confirmTime:
			b.sent.late = true
		case b.sent != nil || b.busy || now.Before(b.retryAt):
			continue
		}
		delete(r.boxes, u)
		r.goOn(u)
	}
}

// refuseHeld answers what was held for a user who belongs to another owner now.
func (r *registry) refuseHeld(u *user) {
	for _, h := range u.box.held {
		r.notQueued(h.from, &h.Publish, away)
	}
	r.moved(u.box)
	u.box = nil
}

// notQueued answers a direct message that could be neither delivered nor queued.
func (r *registry) notQueued(to owner.Source, p *wire.Publish, no *refusal) {
	var frame []byte
	r.frame, frame = protocol.AppendNotQueued(r.frame[:0], p.ID, r.lane.MessageID(p.ID), protocol.Error{Code: no.code, Message: no.message})
	r.reply(to, p.Op, p.Conn, frame)
}
