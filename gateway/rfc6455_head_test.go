package gateway_test

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// rfcHead is the head of an opening handshake, well-formed or not.
type rfcHead struct {
	line   string
	fields []string // whole lines
}

// sampleKey is the key of the RFC's example (section 1.3).
const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// newHead is a good head. Without a token it has none.
func newHead(token string) rfcHead {
	h := rfcHead{"GET /ws HTTP/1.1", []string{
		"Host: realtime.example", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: " + sampleKey, "Sec-WebSocket-Version: 13",
	}}
	if token != "" {
		return h.with("Authorization: Bearer " + token)
	}
	return h
}

// to asks for another target.
func (h rfcHead) to(target string) rfcHead { h.line = "GET " + target + " HTTP/1.1"; return h }

func (h rfcHead) asking(line string) rfcHead { h.line = line; return h }

func (h rfcHead) with(fields ...string) rfcHead {
	h.fields = append(append([]string(nil), h.fields...), fields...)
	return h
}

func (h rfcHead) without(name string) rfcHead {
	var kept []string
	for _, f := range h.fields {
		if !strings.HasPrefix(f, name+":") {
			kept = append(kept, f)
		}
	}
	h.fields = kept
	return h
}

// replaced puts a field in the place of that with its name.
func (h rfcHead) replaced(field string) rfcHead {
	name, _, _ := strings.Cut(field, ":")
	return h.without(name).with(field)
}

// named changes the spelling of all names.
func (h rfcHead) named(spell func(string) string) rfcHead {
	fields := make([]string, len(h.fields))
	for i, f := range h.fields {
		name, value, _ := strings.Cut(f, ":")
		fields[i] = spell(name) + ":" + value
	}
	h.fields = fields
	return h
}

// paddedTo makes the head n octets long.
func (h rfcHead) paddedTo(n int) rfcHead {
	h = h.with("X-Pad: ")
	pad := n - len(h.bytes())
	h.fields[len(h.fields)-1] += strings.Repeat("x", max(0, pad))
	return h
}

func (h rfcHead) bytes() []byte {
	return []byte(h.line + "\r\n" + strings.Join(h.fields, "\r\n") + "\r\n\r\n")
}

// upgrade does the opening handshake. The welcome is still to come.
func (p *rfcPeer) upgrade(h rfcHead) *http.Response {
	p.t.Helper()
	p.write(h.bytes(), 0)
	return p.upgraded()
}

// upgraded reads what a good handshake is answered with.
func (p *rfcPeer) upgraded() *http.Response {
	p.t.Helper()
	r := p.response()
	// RFC 6455 4.2.2: the key, "concatenated with the string" below, hashed and encoded.
	sum := sha1.Sum([]byte(sampleKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	switch accept := base64.StdEncoding.EncodeToString(sum[:]); {
	case r.StatusCode != http.StatusSwitchingProtocols:
		p.t.Fatalf("status %s, want 101", r.Status)
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		p.t.Fatalf("Upgrade: %q", r.Header.Get("Upgrade"))
	case !strings.EqualFold(r.Header.Get("Connection"), "Upgrade"):
		p.t.Fatalf("Connection: %q", r.Header.Get("Connection"))
	case r.Header.Get("Sec-WebSocket-Accept") != accept:
		p.t.Fatalf("Sec-WebSocket-Accept: %q, want %q", r.Header.Get("Sec-WebSocket-Accept"), accept)
	case r.Header.Values("Sec-WebSocket-Extensions") != nil:
		p.t.Fatalf("Sec-WebSocket-Extensions: %q: there are none", r.Header.Values("Sec-WebSocket-Extensions"))
	}
	return r
}

func (p *rfcPeer) response() *http.Response {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(peerPatience))
	r, err := http.ReadResponse(p.in, nil)
	if err != nil {
		p.t.Fatalf("read the response: %v", err)
	}
	return r
}

// refused reads an HTTP error with the body that PROTOCOL.md section 1 tells of.
func (p *rfcPeer) refused(status int) *http.Response {
	p.t.Helper()
	r := p.response()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatalf("read the body: %v", err)
	}
	var body struct {
		Code    int
		Message string
	}
	switch {
	case r.StatusCode != status:
		p.t.Fatalf("status %s, body %s, want %d", r.Status, b, status)
	case r.Header.Get("Content-Type") != "application/json":
		p.t.Fatalf("Content-Type: %q", r.Header.Get("Content-Type"))
	case r.ContentLength != int64(len(b)):
		p.t.Fatalf("Content-Length: %d of a body of %d", r.ContentLength, len(b))
	case json.Unmarshal(b, &body) != nil || body.Code != status || body.Message == "":
		p.t.Fatalf("body %s, want the code %d and a message", b, status)
	case strings.Contains(string(b), "eyJ"):
		p.t.Fatalf("body %s has a token in it", b)
	}
	return r
}

// welcomed reads the first frame, which says who the token was of.
func (p *rfcPeer) welcomed(user string) {
	p.t.Helper()
	p.want(message("the welcome of "+user, func(m *serverMessage) bool {
		return m.Type == "Status" && m.Data.Status == "connected" && m.Data.Details.UserID == user
	}))
}
