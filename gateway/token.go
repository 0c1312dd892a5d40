package gateway

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"time"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// warnTime is how long before a token's end its client is told at the latest; where its life is short, when a quarter of it is left.
const warnTime = time.Minute

// token is what a connection remembers of its token besides its rights.
type token struct {
	id, family tag    // zero: it has none
	expires    uint32 // Unix seconds: its end and JWT_LEEWAY; the last of them stands for all later ones
	since      uint32 // tenths of a second from Claims.Since to expires; 0: it tells none
	early      uint16 // seconds before expires at which the client is to be told; 0: it has been
}

// tokenOf reads a token that is used from now on.
func (g *Gateway) tokenOf(claims *auth.Claims, now time.Time) token {
	from := claims.IssuedAt
	if from.IsZero() {
		from = now
	}
	end := claims.ExpiresAt.Add(g.cfg.TokenLeeway)
	t := token{id: g.tag(claims.ID), family: g.tag(claims.Family), expires: uint32(min(max(end.Unix(), 1), math.MaxUint32))}
	if since := claims.Since(); !since.IsZero() {
		t.since = uint32(min(max(int64(t.expires)*10-since.UnixMilli()/100, 1), math.MaxUint32))
	}
	warn := claims.ExpiresAt.Add(-min(warnTime, claims.ExpiresAt.Sub(from)/4)) // a Duration saturates
	t.early = uint16(min(max(int64(t.expires)-warn.Unix(), 1), math.MaxUint16))
	return t
}

// tag stands for a token's ID, or its family, in place of a text that each connection would have: 47 bits of a hash, of which
// nobody can make two alike, as the seed is this process's own. Among ten million connections one ends by mistake in 14 million revocations.
type tag [6]byte

// tag is zero for the empty text only.
func (g *Gateway) tag(text string) (t tag) {
	if text != "" {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], maphash.String(g.seed, text)|1)
		copy(t[:], b[:])
	}
	return t
}

// signedIn is what Claims.Since was, to the tenth of a second before it.
func (t *token) signedIn() time.Time {
	if t.since == 0 {
		return time.Time{}
	}
	return time.UnixMilli((int64(t.expires)*10 - int64(t.since)) * 100)
}

// ends is when the token does, without JWT_LEEWAY, in Unix seconds.
func (t *token) ends(leeway time.Duration) int64 { return int64(t.expires) - int64(leeway/time.Second) }

// watchToken tells the client of an open connection that its token is about to expire, or ends the connection whose token
// has, and says so. Otherwise it returns after how many ticks to look again.
func (l *loop) watchToken(c *conn) (next uint32, ended bool) {
	left := int64(c.expires) - l.now.Unix()
	if left <= 0 {
		l.expired(c)
		return 0, true
	}
	if c.early > 0 {
		if left -= int64(c.early); left <= 0 {
			left += int64(c.early)
			c.early = 0
			l.tokenExpiring(c)
		}
	}
	return ticks(time.Duration(min(left, int64(wheelSlots))) * time.Second), false
}

// tokenExpiring asks for another token.
func (l *loop) tokenExpiring(c *conn) {
	var frame []byte
	l.arena, frame = protocol.AppendTokenExpiring(l.arena, c.ends(l.gw.cfg.TokenLeeway)*1000)
	l.push(c, frame)
}

// expired ends a connection whose token has.
func (l *loop) expired(c *conn) {
	l.sendError(c, "", protocol.Error{Code: protocol.CodeUnauthorized, Message: "token expired"})
	l.closeWith(c, protocol.CloseTokenExpired, "token expired", endExpired)
}

// openTime notes when a connection began: so long after the gateway, in tenths of a second.
func (g *Gateway) openTime(now time.Time) uint32 {
	return uint32(min(max(now.Sub(g.began)/tenth, 1), math.MaxUint32))
}

// openedAt is when an open connection began.
func (g *Gateway) openedAt(c *conn) time.Time { return g.began.Add(time.Duration(c.opened) * tenth) }

const tenth = 100 * time.Millisecond
