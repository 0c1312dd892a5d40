package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gobwas/ws"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// verdict is what a verifier makes of a head: an upgrade, or a refusal.
type verdict struct {
	refusal  *refusal
	response []byte // 101 Switching Protocols
	claims   *auth.Claims
	from     netip.Prefix // the address that it is counted for

	wanted  string // the session that the client asked for; empty: none
	session string // the one that it gets
	taken   bool   // that is resumed: state is what was saved of it
	state   []byte
	holder  string // with taken: this connection
}

// verify is a verifier: it does the work of handshakes off the loops, where checking
// a signature, or waiting for a key, would hold up others.
func (g *Gateway) verify(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-g.renewals:
			g.safely("renewal", func() { g.renew(r) })
		case h := <-g.heads:
			v := g.judgeGuarded(h.bytes, h.peer)
			if !g.mayTake(&v) {
				g.pass(h, v)
				continue
			}
			g.taking.Go(func() { // it waits for Redis, and perhaps for another gateway
				defer func() { <-g.takes }()
				g.safely("resume", func() { g.take(ctx, &v, h.loop.nameConnection(h.slot, h.gen)) })
				g.pass(h, v)
			})
		}
	}
}

// pass gives a verdict to the connection's loop.
func (g *Gateway) pass(h head, v verdict) {
	if v.refusal == nil && v.session == "" {
		v.session = newSessionID(v.claims)
	}
	if !h.loop.mail.post(func(l *loop) { l.verified(h, v) }) && v.refusal == nil {
		g.leave(&v)
		if v.taken {
			g.sessions.End(v.former())
		}
	}
}

// judgeGuarded is judge. A panic in it is the refusal of that one.
func (g *Gateway) judgeGuarded(head []byte, peer netip.Addr) (v verdict) {
	if !g.safely("verifier", func() { v = g.judge(head, peer) }) {
		v = verdict{refusal: &refusal{code: http.StatusInternalServerError, message: "the handshake could not be dealt with", reason: refusedPanic}}
	}
	return v
}

// judge decides on a head that came from a peer.
func (g *Gateway) judge(head []byte, peer netip.Addr) verdict {
	v := verdict{}
	var o offer
	var out bytes.Buffer
	u := ws.Upgrader{
		ReadBufferSize: 2 * maxHead, // a header line may be as long as the head
		OnRequest:      o.onRequest,
		OnHeader:       o.onHeader,
		ProtocolCustom: o.onProtocols,
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if err := g.admit(peer, &o, &v); err != nil {
				return nil, err
			}
			if o.selected == "" {
				return ws.HandshakeHeaderString(""), nil
			}
			return ws.HandshakeHeaderString("Sec-WebSocket-Protocol: " + o.selected + "\r\n"), nil
		},
	}
	_, err := u.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(head), &out})
	var no *refusal
	switch {
	case err == nil:
		v.response = out.Bytes()
	case errors.As(err, &no):
		v.refusal = no
	case errors.Is(err, ws.ErrHandshakeUpgradeRequired):
		v.refusal = &refusal{code: http.StatusUpgradeRequired, message: "WebSocket version 13 is needed", reason: refusedHead}
	default:
		v.refusal = &refusal{code: http.StatusBadRequest, message: "not a WebSocket request: " + err.Error(), reason: refusedHead}
	}
	return v
}

// admit decides whether a well-formed handshake is let in.
func (g *Gateway) admit(peer netip.Addr, o *offer, v *verdict) error {
	if !g.origins.Allow(o.origin) {
		return &refusal{code: http.StatusForbidden, message: "origin not allowed", reason: refusedOrigin}
	}
	if no := g.household(peer, o, v); no != nil {
		return no
	}
	if no := g.admitToken(o, v); no != nil {
		g.households.leave(v.from)
		return no
	}
	return nil
}

// admitToken decides by the token, and whether there is room.
func (g *Gateway) admitToken(o *offer, v *verdict) *refusal {
	token := cmp.Or(o.bearer, o.protocolToken, o.query)
	if token == "" {
		return &refusal{code: http.StatusUnauthorized, message: "no token", reason: refusedNoToken}
	}
	claims, err := g.cfg.Verifier.Verify(token)
	switch {
	case errors.Is(err, auth.ErrKeysAway):
		return &refusal{code: http.StatusServiceUnavailable, message: err.Error(), reason: refusedKeysAway, retry: comeBack()}
	case err != nil:
		return &refusal{code: http.StatusUnauthorized, message: err.Error(), reason: refusedToken}
	}
	if no := g.void(claims); no != nil {
		return no
	}
	if g.shut.Load() || !g.hasStarted() {
		message := "starting"
		if g.shut.Load() {
			message = "draining"
		}
		return &refusal{code: http.StatusServiceUnavailable, message: message, reason: refusedUnready, retry: comeBack()}
	}
	if g.open.Add(1) > int64(g.cfg.MaxConnections) {
		g.open.Add(-1)
		return &refusal{code: http.StatusServiceUnavailable, message: "at capacity", reason: refusedCapacity, retry: comeBack()}
	}
	v.claims, v.wanted = claims, o.session
	return nil
}

// void refuses a token that was revoked; nil: it was not.
func (g *Gateway) void(claims *auth.Claims) *refusal {
	if err := g.checkRevoked(claims); err != nil {
		return &refusal{code: http.StatusUnauthorized, message: err.Error(), reason: refusedRevoked}
	}
	return nil
}

// offer is what a handshake brings besides what RFC 6455 asks for.
type offer struct {
	origin        string
	bearer        string
	protocolToken string
	query         string
	session       string // to be resumed
	selected      string // subprotocol
	forwardedFor  []string
}

func (o *offer) onRequest(uri []byte) error {
	_, query, ok := strings.Cut(string(uri), "?")
	if !ok {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return &refusal{code: http.StatusBadRequest, message: "malformed query", reason: refusedHead}
	}
	o.query, o.session = values.Get("token"), values.Get("session")
	return nil
}

func (o *offer) onHeader(key, value []byte) error {
	switch string(key) {
	case "Authorization":
		scheme, token, _ := strings.Cut(string(value), " ")
		if strings.EqualFold(scheme, "Bearer") {
			o.bearer = strings.TrimSpace(token)
		}
	case "Origin":
		o.origin = string(value)
	case "X-Forwarded-For":
		o.forwardedFor = append(o.forwardedFor, string(value))
	}
	return nil
}

// onProtocols notes the subprotocols that the client offers. It selects none yet: the
// header may come more than once, and gobwas would stop asking.
func (o *offer) onProtocols(value []byte) (string, bool) {
	for p := range strings.SplitSeq(string(value), ",") {
		p = strings.TrimSpace(p)
		if p == protocol.Subprotocol {
			o.selected = p
		}
		if token, ok := strings.CutPrefix(p, protocol.TokenSubprotocol); ok && o.protocolToken == "" {
			o.protocolToken = token
			if o.selected == "" {
				o.selected = p
			}
		}
	}
	return "", true
}
