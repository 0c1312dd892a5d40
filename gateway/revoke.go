package gateway

import (
	"sync"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// revoked are the revocations that a loop has not dealt with: as many as there are at most, see
// store.ErrRevocationsFull.
type revoked struct {
	mu   sync.Mutex
	list []store.Revocation // guarded by mu
}

// checkRevoked returns why a token is void that has not expired, nil when it is not.
func (g *Gateway) checkRevoked(claims *auth.Claims) error {
	if g.cfg.Revocations == nil {
		return nil
	}
	return g.cfg.Revocations.Check(claims.User, claims.ID, claims.Family, claims.Since())
}

// revoke has the open connections end that a new revocation concerns. Whoever is checked from now on knows of
// it already.
func (g *Gateway) revoke(r store.Revocation) {
	for _, l := range g.loops {
		l.revoked.mu.Lock()
		l.revoked.list = append(l.revoked.list, r)
		l.revoked.mu.Unlock()
		l.mail.post((*loop).endRevoked) // those that come together cost one walk over the connections
	}
}

// endRevoked ends the connections whose tokens were revoked, and those that an operator has disconnected.
func (l *loop) endRevoked() {
	l.revoked.mu.Lock()
	list := l.revoked.list
	l.revoked.list = nil
	l.revoked.mu.Unlock()
	if len(list) == 0 {
		return // with an earlier one
	}
	var tokens, families map[tag]struct{}
	for _, r := range list {
		switch r.Kind {
		case store.KindUser, store.KindDisconnect:
			l.endUser(r)
		case store.KindToken:
			tokens = with(tokens, l.gw.tag(r.Name))
		case store.KindFamily:
			families = with(families, l.gw.tag(r.Name))
		}
	}
	if tokens == nil && families == nil {
		return
	}
	l.conns.each(func(c *conn) {
		if c.state != stateOpen || c.id == (tag{}) && c.family == (tag{}) {
			return
		}
		_, token := tokens[c.id]
		_, family := families[c.family]
		if token || family {
			l.endVoid(c)
		}
	})
}

// with adds to a set, which is nil while it is empty.
func with(set map[tag]struct{}, v tag) map[tag]struct{} {
	if set == nil {
		set = make(map[tag]struct{})
	}
	set[v] = struct{}{}
	return set
}

// endUser ends the connections of a user that a revocation concerns. One that is about to begin is checked when it does.
func (l *loop) endUser(r store.Revocation) {
	me := l.entries[wire.UserKey(r.Name)]
	if me == nil {
		return
	}
	for i := len(me.subs) - 1; i >= 0; i-- { // the last takes the place of one that ends
		c := l.conns.at(me.subs[i].slot)
		if c.state != stateOpen || !r.Concerns(c.user, "", "", c.signedIn(), l.gw.openedAt(c)) {
			continue
		}
		if r.Kind == store.KindDisconnect {
			l.disconnect(c)
		} else {
			l.endVoid(c)
		}
	}
}

// endVoid ends a connection whose token was revoked.
func (l *loop) endVoid(c *conn) {
	defer l.guard(c)
	l.sendError(c, "", protocol.Error{Code: protocol.CodeUnauthorized, Message: store.ErrRevoked.Error()})
	l.closeWith(c, protocol.CloseTokenExpired, "token revoked", endRevoked)
}

// disconnect ends a connection by an operator's order, and its session with it: it is not to be resumed.
func (l *loop) disconnect(c *conn) {
	defer l.guard(c)
	l.forgetSession(c)
	l.closeWith(c, protocol.CloseDisconnected, "disconnected by an operator", endDisconnected)
}
