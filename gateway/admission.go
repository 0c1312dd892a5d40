package gateway

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/limit"
	"github.com/realtime-cluster/realtime/pkg/web"
)

// returnMost is how far ahead at most those who are over ADMIT_RATE are told to come back.
const returnMost = time.Minute

// door lets in so many new connections a second. To those whom it turns away it gives places in a queue
// that nobody waits in: each is told when its turn would be, so that a crowd does not come back at once.
type door struct {
	rate  limit.Rate    // static
	every time.Duration // static: between two who are let in; 0: everyone is

	mu   sync.Mutex
	tat  int64 // guarded by mu
	last int64 // guarded by mu: the turn that was given last, in nanoseconds of the door's clock
}

func newDoor(perSecond int) *door {
	if perSecond <= 0 {
		return &door{}
	}
	return &door{rate: limit.NewRate(float64(perSecond), float64(perSecond)), every: time.Second / time.Duration(perSecond)}
}

// enter asks to be let in at the time now, in nanoseconds of a steady clock. One who is not is told how long to wait.
func (d *door) enter(now int64) (wait time.Duration, ok bool) {
	if d.every == 0 {
		return 0, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	wait, ok = d.rate.Take(&d.tat, now)
	if ok {
		return 0, true
	}
	turn := max(d.last, now+int64(wait)) + int64(d.every)
	if turn-now > int64(returnMost) {
		return returnMost/2 + rand.N(returnMost/2), false // the queue is longer than anybody is to wait
	}
	d.last = turn
	return time.Duration(turn - now), false
}

// households counts the connections from each address.
type households struct {
	most int // static; 0: any number

	mu   sync.Mutex
	open map[netip.Prefix]int // guarded by mu
}

// enter counts one more, unless there are too many.
func (h *households) enter(from netip.Prefix) bool {
	if h.most == 0 {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open[from] >= h.most {
		return false
	}
	if h.open == nil {
		h.open = make(map[netip.Prefix]int)
	}
	h.open[from]++
	return true
}

// leave counts one less.
func (h *households) leave(from netip.Prefix) {
	if h.most == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open[from]--; h.open[from] <= 0 {
		delete(h.open, from)
	}
}

// enterDoor decides by ADMIT_RATE, which is cheap, whether a handshake is looked at; nil: it is.
func (l *loop) enterDoor() *refusal {
	wait, ok := l.gw.door.enter(l.now.Sub(l.gw.began).Nanoseconds())
	if ok {
		return nil
	}
	return &refusal{
		code: http.StatusServiceUnavailable, message: "too many new connections", reason: refusedAdmitRate, retry: wait, limit: refusedAdmitRate,
	}
}

// peerOf is the address at the other end of a socket, where that is asked for.
func (l *loop) peerOf(c *conn) netip.Addr {
	if l.gw.households.most == 0 {
		return netip.Addr{}
	}
	sa, err := unix.Getpeername(int(c.fd))
	if err != nil {
		return netip.Addr{} // it is gone
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr)
	}
	return netip.Addr{}
}

// household counts a handshake among the connections from its address.
func (g *Gateway) household(peer netip.Addr, o *offer, v *verdict) *refusal {
	v.from = web.Household(g.cfg.TrustedProxies.Client(peer, o.forwardedFor))
	if g.households.enter(v.from) {
		return nil
	}
	return &refusal{
		code: http.StatusTooManyRequests, message: "too many connections from this address", reason: refusedAddress, limit: refusedAddress,
	}
}

// leave gives up the place of a handshake that was let in.
func (g *Gateway) leave(v *verdict) {
	g.open.Add(-1)
	g.households.leave(v.from)
}

// settleIn keeps from where an admitted connection comes, and moveOut counts its end.
func (l *loop) settleIn(c *conn, v *verdict) {
	c.admitted = true
	if l.gw.households.most > 0 {
		if l.households == nil {
			l.households = make(map[uint32]netip.Prefix)
		}
		l.households[c.slot] = v.from
	}
}

func (l *loop) moveOut(c *conn) {
	c.admitted = false
	l.gw.open.Add(-1)
	if l.gw.households.most > 0 {
		l.gw.households.leave(l.households[c.slot])
		delete(l.households, c.slot)
	}
}

// overUser decides by MAX_CONNECTIONS_PER_USER whether a connection is one too many; total is how many its user has with it on
// all gateways, as the user's owner says, 0 where that is not known. nil: it is not. One that takes a session over may be beside the one that had
// it, which is about to end.
func (l *loop) overUser(v *verdict, total uint32) *refusal {
	most := uint32(l.gw.cfg.MaxConnectionsPerUser)
	switch {
	case most == 0:
		return nil
	case total == 0:
		l.gw.metrics.unchecked.Inc()
		return nil
	case v.taken:
		most++
	}
	if total <= most {
		return nil
	}
	return &refusal{code: http.StatusTooManyRequests, message: "too many connections of this user", reason: refusedUser, limit: refusedUser}
}

// turnAway refuses a handshake that was let in, and has not begun.
func (l *loop) turnAway(c *conn, r *refusal) {
	if c.first != 0 {
		l.drainConn(c) // into the greeting, that ends here
	}
	l.endSession(c)
	c.greet = nil
	l.leaveAll(c)
	l.refuseHead(c, *r)
}
