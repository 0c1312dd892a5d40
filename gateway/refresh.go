package gateway

import (
	"errors"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// renewal is a token on its way to a verifier, that is to take the place of a connection's.
type renewal struct {
	loop      *loop
	slot, gen uint32
	id        string // of the message
	token     string
}

// refreshToken has the token of a RefreshToken verified. It takes effect with its answer, for what comes after that.
func (l *loop) refreshToken(c *conn, e *protocol.Envelope) {
	text, err := protocol.ParseRefreshToken(e.Data)
	if err != nil {
		l.bad(c, e.ID, err)
		return
	}
	if c.renewing {
		l.sendError(c, e.ID, protocol.Error{Code: protocol.CodeConflict, Message: "another token is being checked"})
		return
	}
	select {
	case l.gw.renewals <- renewal{loop: l, slot: c.slot, gen: c.gen, id: strings.Clone(e.ID), token: strings.Clone(text)}:
		c.renewing = true
	default:
		l.gw.metrics.renewals.WithLabelValues("busy").Inc()
		l.sendError(c, e.ID, protocol.Error{Code: protocol.CodeUnavailable, Message: "too many tokens are being checked", Details: retryLater})
	}
}

// renew is what a verifier does with a renewal.
func (g *Gateway) renew(r renewal) {
	claims, no := g.checkToken(r.token)
	r.loop.mail.post(func(l *loop) { l.renewed(&r, claims, no) })
}

// checkToken verifies a token, of which nobody has said that it is void.
func (g *Gateway) checkToken(text string) (*auth.Claims, *protocol.Error) {
	claims, err := g.cfg.Verifier.Verify(text)
	switch {
	case errors.Is(err, auth.ErrKeysAway):
		return nil, &protocol.Error{Code: protocol.CodeUnavailable, Message: err.Error(), Details: retryLater}
	case err != nil:
		return nil, &protocol.Error{Code: protocol.CodeUnauthorized, Message: err.Error()}
	}
	if err := g.checkRevoked(claims); err != nil {
		return nil, &protocol.Error{Code: protocol.CodeUnauthorized, Message: err.Error()}
	}
	return claims, nil
}

// renewed gives a connection its new token, unless there is something against that: then it goes on with the one that it has.
func (l *loop) renewed(r *renewal, claims *auth.Claims, no *protocol.Error) {
	c := l.conns.get(r.slot, r.gen)
	if c == nil {
		return
	}
	defer l.guard(c)
	c.renewing = false
	if c.state != stateOpen {
		return
	}
	if no == nil && claims.User != c.user {
		no = &protocol.Error{Code: protocol.CodeForbidden, Message: "token: of another user"}
	}
	if no == nil {
		// It may have been revoked since, and the open connections looked through.
		if err := l.gw.checkRevoked(claims); err != nil {
			no = &protocol.Error{Code: protocol.CodeUnauthorized, Message: err.Error()}
		}
	}
	if no != nil {
		l.gw.metrics.renewals.WithLabelValues("refused").Inc()
		l.sendError(c, r.id, *no)
		return
	}
	l.gw.metrics.renewals.WithLabelValues("renewed").Inc()
	was := c.token
	c.token, c.rights = l.gw.tokenOf(claims, l.now), l.gw.rightsOf(claims)
	if c.token.id == was.id && c.token.expires == was.expires {
		c.early = was.early // the same one
	}
	details := struct {
		ExpiresAt    int64    `json:"expires_at"`
		Unsubscribed []string `json:"unsubscribed,omitempty"`
	}{claims.ExpiresAt.UnixMilli(), l.unsubscribeForbidden(c)}
	l.schedule(c, 1)
	var frame []byte
	l.arena, frame = protocol.AppendStatus(l.arena, r.id, "token_refreshed", jsonText(details))
	l.push(c, frame)
}

// unsubscribeForbidden ends those subscriptions of a connection that its rights do not allow any more, and returns their topics.
func (l *loop) unsubscribeForbidden(c *conn) (topics []string) {
	for i := len(c.subs) - 1; i >= 0; i-- {
		e := c.subs[i].entry
		if e.kind != kindTopic || c.rights.canSubscribe(e.name) {
			continue
		}
		topics = append(topics, e.name)
		l.unlink(c, i)
		l.release(e)
	}
	return topics
}
