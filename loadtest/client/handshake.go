package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/gobwas/ws"
)

// handshake opens the socket and upgrades it. The reader is nil unless it holds
// bytes that came right behind the server's answer.
func handshake(ctx context.Context, rawURL, token string, opts Options) (net.Conn, *bufio.Reader, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, nil, fmt.Errorf("parse url: %w", err)
	}
	var refused *HandshakeError
	d := ws.Dialer{
		OnStatusError: func(status int, _ []byte, resp io.Reader) {
			refused = &HandshakeError{Status: status}
			r, err := http.ReadResponse(bufio.NewReader(resp), nil)
			if err != nil {
				return
			}
			defer r.Body.Close()
			refused.Header = r.Header
			refused.Body, _ = io.ReadAll(io.LimitReader(r.Body, 64<<10))
		},
	}
	if opts.Session != "" {
		q := u.Query()
		q.Set("session", opts.Session)
		u.RawQuery = q.Encode()
	}
	switch {
	case token == "":
	case opts.TokenBy == TokenInHeader:
		d.Header = ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + token}}
	case opts.TokenBy == TokenInSubprotocol:
		d.Protocols = []string{"realtime.v1", "access_token." + token}
	case opts.TokenBy == TokenInQuery:
		q := u.Query()
		q.Set("token", token)
		u.RawQuery = q.Encode()
	}
	conn, br, _, err := d.Dial(ctx, u.String())
	switch {
	case refused != nil:
		return nil, nil, refused
	case err != nil:
		return nil, nil, fmt.Errorf("dial: %w", err)
	}
	return conn, br, nil
}
