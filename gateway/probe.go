package gateway

import (
	"encoding/binary"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// probe is what a user's owner waits for after it sent queued messages: that the client has
// read them. A ping is sent behind them; a client's WebSocket answers it when it has read
// what comes before.
type probe struct {
	gen   uint32
	batch uint64
	user  string // key
}

// probeMark begins the payload of such a ping.
const probeMark = "queued"

// queued sends a connection messages that waited for its user, and a ping behind them.
func (l *loop) queued(q *wire.Queued) {
	p := probe{batch: q.Batch, user: string([]byte(q.Key))}
	c := l.conns.get(q.Conn.Slot, q.Conn.Gen)
	if c == nil || c.state != stateOpen && c.greet == nil {
		if c = nil; l.entries[p.user] != nil && len(l.entries[p.user].subs) > 0 {
			c = l.conns.at(l.entries[p.user].subs[0].slot)
		}
	}
	if c == nil {
		l.confirm(p, true)
		return
	}
	p.gen = c.gen
	l.probes[c.slot] = p
	l.push(c, q.Frames)
	l.sendControl(c, opPing, binary.LittleEndian.AppendUint64([]byte(probeMark), p.batch))
}

// pong takes a client's answer to a ping.
func (l *loop) pong(c *conn, payload []byte) {
	l.confirmRead(c, payload)
	if len(l.probes) == 0 || len(payload) != len(probeMark)+8 || string(payload[:len(probeMark)]) != probeMark {
		return
	}
	if p, ok := l.probeOf(c); ok && p.batch == binary.LittleEndian.Uint64(payload[len(probeMark):]) {
		delete(l.probes, c.slot)
		l.confirm(p, false)
	}
}

// confirmClosed takes a client's close frame: what it had been sent, it has, where nothing is
// left on the way.
func (l *loop) confirmClosed(c *conn) {
	if p, ok := l.probeOf(c); ok && c.out == nil && unsentBytes(c.fd) == 0 {
		delete(l.probes, c.slot)
		l.confirm(p, false)
	}
}

// unconfirmed tells the owner that a connection ended before it was known what the client has.
func (l *loop) unconfirmed(c *conn) {
	if p, ok := l.probeOf(c); ok {
		delete(l.probes, c.slot)
		l.confirm(p, true)
	}
}

func (l *loop) probeOf(c *conn) (probe, bool) {
	p, ok := l.probes[c.slot]
	return p, ok && p.gen == c.gen
}

func (l *loop) confirm(p probe, lost bool) {
	if u, lane := l.presences.ownerOf(cluster.Hash(p.user)); u != nil {
		l.endRecord(u, lane, wire.AppendConfirm(l.beginRecord(u, lane), wire.Confirm{Key: p.user, Batch: p.batch, Lost: lost}))
	}
}
