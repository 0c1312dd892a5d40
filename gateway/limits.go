package gateway

import (
	"math"
	"strconv"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/limit"
	"github.com/realtime-cluster/realtime/pkg/protocol"
)

const (
	// strikesLeast is how many refused messages in excess of accepted ones end a connection, at least; strikesBursts
	// is the same in bursts of a connection.
	strikesLeast  = 1000
	strikesBursts = 10
	// From quietStrikes on, of the refused messages that need no reply only one in quietEvery gets an Error.
	quietStrikes = 100
	quietEvery   = 16
	// pieceSize is the size below which a piece of a message counts as much as a message: somebody sends small ones to
	// keep us busy.
	pieceSize = 128
)

// level is whose limit a message meets.
type level uint8

const (
	levelNone level = iota
	levelConnection
	levelUser
	levelGlobal
)

// limitErrors is what clients are told at a level.
var limitErrors = [...]struct{ message, details string }{
	levelConnection: {"too many messages on this connection", `{"limit":"connection","retry_after_ms":`},
	levelUser:       {"too many messages of this user", `{"limit":"user","retry_after_ms":`},
	levelGlobal:     {"too many messages for this service", `{"limit":"global","retry_after_ms":`},
}

// limits is what every message of a client is held against: the limit of its connection, then of its user, then of
// the cluster. What an earlier one took a later one that refuses gives back, so that a refused message costs nothing but
// the time it is told to wait. Nothing here asks another node: see userBudget and globalBudget.
type limits struct {
	on         bool // any is
	connection limit.Rate
	users      *userBudgets  // nil: no limit
	global     *globalBudget // nil: no limit
	strikes    uint32        // over so many a connection is closed
	refused    [levelGlobal + 1]prometheus.Counter
}

func newLimits(cfg *Config, m *metrics) limits {
	l := limits{strikes: uint32(max(strikesLeast, strikesBursts*cfg.RateLimitBurst))}
	l.refused[levelConnection] = m.dropped.WithLabelValues(dropConnectionLimit)
	l.refused[levelUser] = m.dropped.WithLabelValues(dropUserLimit)
	l.refused[levelGlobal] = m.dropped.WithLabelValues(dropGlobalLimit)
	if !cfg.RateLimit {
		return l
	}
	if cfg.RateLimitRPS > 0 {
		l.connection = limit.NewRate(cfg.RateLimitRPS, float64(cfg.RateLimitBurst))
	}
	if cfg.RateLimitUserRPS > 0 {
		l.users = newUserBudgets(cfg.RateLimitUserRPS, float64(cfg.RateLimitUserBurst))
	}
	if cfg.RateLimitGlobalRPS > 0 {
		l.global = newGlobalBudget(cfg.RateLimitGlobalRPS, float64(cfg.RateLimitGlobalBurst), m)
	}
	l.on = l.connection.On() || l.users != nil || l.global != nil
	return l
}

// clock is the time of this turn, as limits count it.
func (l *loop) clock() int64 { return int64(l.now.Sub(l.gw.began)) }

// admit holds a message against the limits. It returns the level that refuses it, if one does, and how long to wait.
func (l *loop) admit(c *conn) (by level, wait time.Duration) {
	lim := &l.gw.limits
	if !lim.on {
		return levelNone, 0
	}
	now := l.clock()
	if lim.connection.On() {
		var ok bool
		if wait, ok = lim.connection.Take(&c.tat, now); !ok {
			return levelConnection, wait
		}
	}
	var b *userBudget
	if lim.users != nil {
		b = l.userBudget(c, now)
		ok, report := false, false
		if wait, ok, report = b.take(now); report {
			l.reporting = append(l.reporting, b)
		}
		if !ok {
			lim.connection.Give(&c.tat, 1)
			return levelUser, wait
		}
	}
	if lim.global != nil {
		if wait = l.takeGlobal(lim.global, now); wait > 0 {
			lim.connection.Give(&c.tat, 1)
			if b != nil {
				b.give()
			}
			return levelGlobal, wait
		}
	}
	if c.strikes > 0 {
		c.strikes--
	}
	return levelNone, 0
}

// limited answers a message that a limit refuses. e is what could be read of it.
func (l *loop) limited(c *conn, e *protocol.Envelope, by level, wait time.Duration) {
	l.gw.limits.refused[by].Inc()
	over := by != levelGlobal && l.strike(c)
	if e.ID != "" || c.strikes < quietStrikes || c.strikes%quietEvery == 0 || needsReply(e.Type) {
		said := &limitErrors[by]
		ms := int64(math.Ceil(float64(wait) / float64(time.Millisecond)))
		l.key = append(strconv.AppendInt(append(l.key[:0], said.details...), max(ms, 1), 10), '}')
		var frame []byte
		l.arena, frame = protocol.AppendError(l.arena, e.ID, protocol.Error{
			Code: protocol.CodeTooMany, Message: said.message, Details: unsafe.String(unsafe.SliceData(l.key), len(l.key)), // it is copied
		})
		l.push(c, frame)
	}
	if over {
		l.outlaw(c)
	}
}

// needsReply reports whether messages of a type get a reply without having an id.
func needsReply(kind string) bool {
	switch kind {
	case protocol.TypeBroadcast, protocol.TypeDirectMessage, protocol.TypeRoomMessage, "":
		return false
	}
	return true
}

// small holds what is no message, but work all the same, against the limit of the connection: control
// frames that a client sends of its own accord, and small pieces of messages. What is over it gets no answer.
func (l *loop) small(c *conn) bool {
	lim := &l.gw.limits
	if !lim.connection.On() {
		return true
	}
	if _, ok := lim.connection.Take(&c.tat, l.clock()); ok {
		return true
	}
	lim.refused[levelConnection].Inc()
	if l.strike(c) {
		l.outlaw(c)
	}
	return false
}

// strike notes that a connection goes on over a limit, and reports whether that has to end.
func (l *loop) strike(c *conn) bool {
	c.strikes++
	return c.strikes > l.gw.limits.strikes
}

// outlaw ends a connection that does not heed its limit.
func (l *loop) outlaw(c *conn) {
	l.closeWith(c, protocol.ClosePolicy, "rate limit ignored", endPolicy)
}

// tickLimits does what is due by time.
func (l *loop) tickLimits() {
	lim := &l.gw.limits
	now := l.clock()
	if lim.users != nil {
		l.tickBudgets(lim.users, now)
	}
	if lim.global != nil && l.gw.hasStarted() { // each loop does: one may have failed
		lim.global.follow(l.gw.member.Demands(), now)
	}
}
