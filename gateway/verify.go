package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	expires  int64 // Unix seconds: when the connection ends for its token's sake

	wanted  string // the session that the client asked for; empty: none
	session string // the one that it gets
	taken   bool   // that is resumed: state is what was saved of it
	state   []byte
	holder  string // with taken: this connection
}

// refusal is an HTTP error that answers a handshake.
type refusal struct {
	code    int
	message string
	retry   bool // with Retry-After
}

func (r *refusal) Error() string { return r.message }

func (r *refusal) label() string { return strconv.Itoa(r.code) }

// response is the whole HTTP response.
func (r *refusal) response() []byte {
	body := jsonText(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{r.code, r.message})
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n",
		r.code, http.StatusText(r.code), len(body))
	if r.retry {
		b.WriteString("Retry-After: 5\r\n")
	}
	switch r.code {
	case http.StatusUpgradeRequired:
		b.WriteString("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
	case http.StatusUnauthorized:
		b.WriteString("WWW-Authenticate: Bearer\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// verify is a verifier: it does the work of handshakes off the loops, where checking
// a signature, or waiting for a key, would hold up others.
func (g *Gateway) verify(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case h := <-g.heads:
			v := g.judge(h.bytes)
			if v.refusal != nil || v.wanted == "" || g.sessions == nil || g.takes.Add(1) > takesMost {
				if v.wanted != "" && v.refusal == nil && g.sessions != nil {
					g.takes.Add(-1)
					g.metrics.resumes.WithLabelValues("busy").Inc()
				}
				g.pass(h, v)
				continue
			}
			g.taking.Go(func() { // it waits for Redis, and perhaps for another gateway
				defer g.takes.Add(-1)
				g.take(ctx, &v, h.loop.nameConnection(h.slot, h.gen))
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
		g.open.Add(-1)
		if v.taken {
			g.sessions.End(v.former())
		}
	}
}

// judge decides on a head.
func (g *Gateway) judge(head []byte) verdict {
	v := verdict{}
	var o offer
	var out bytes.Buffer
	u := ws.Upgrader{
		ReadBufferSize: 2 * maxHead, // a header line may be as long as the head
		OnRequest:      o.onRequest,
		OnHeader:       o.onHeader,
		ProtocolCustom: o.onProtocols,
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if err := g.admit(&o, &v); err != nil {
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
		v.refusal = &refusal{code: http.StatusUpgradeRequired, message: "WebSocket version 13 is needed"}
	default:
		v.refusal = &refusal{code: http.StatusBadRequest, message: "not a WebSocket request: " + err.Error()}
	}
	return v
}

// admit decides whether a well-formed handshake is let in.
func (g *Gateway) admit(o *offer, v *verdict) error {
	if !g.originAllowed(o.origin) {
		return &refusal{code: http.StatusForbidden, message: "origin not allowed"}
	}
	token := cmp.Or(o.bearer, o.protocolToken, o.query)
	if token == "" {
		return &refusal{code: http.StatusUnauthorized, message: "no token"}
	}
	claims, err := g.cfg.Verifier.Verify(token)
	switch {
	case errors.Is(err, auth.ErrKeysAway):
		return &refusal{code: http.StatusServiceUnavailable, message: err.Error(), retry: true}
	case err != nil:
		return &refusal{code: http.StatusUnauthorized, message: err.Error()}
	}
	if err := g.Ready(); err != nil && (g.draining.Load() || !g.hasStarted()) {
		return &refusal{code: http.StatusServiceUnavailable, message: err.Error(), retry: true}
	}
	if g.open.Add(1) > int64(g.cfg.MaxConnections) {
		g.open.Add(-1)
		return &refusal{code: http.StatusServiceUnavailable, message: "at capacity", retry: true}
	}
	v.claims, v.wanted = claims, o.session
	v.expires = claims.ExpiresAt.Add(g.cfg.TokenLeeway).Unix()
	return nil
}

func (g *Gateway) originAllowed(origin string) bool {
	// Not a browser, or a page of anybody's: the token decides.
	return origin == "" || slices.Contains(g.cfg.AllowedOrigins, "*") ||
		slices.Contains(g.cfg.AllowedOrigins, strings.ToLower(origin))
}

// offer is what a handshake brings besides what RFC 6455 asks for.
type offer struct {
	origin        string
	bearer        string
	protocolToken string
	query         string
	session       string // to be resumed
	selected      string // subprotocol
}

func (o *offer) onRequest(uri []byte) error {
	_, query, ok := strings.Cut(string(uri), "?")
	if !ok {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return &refusal{code: http.StatusBadRequest, message: "malformed query"}
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
