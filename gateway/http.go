package gateway

import (
	"context"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// newHTTPServer serves what is not a WebSocket.
func newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    maxHead,
	}
}

// handoffListener is a listener whose connections come from the loops.
type handoffListener struct {
	ctx   context.Context
	close context.CancelFunc
	from  <-chan handoff
	addr  net.Addr
}

func (g *Gateway) handoffListener(ctx context.Context, addr net.Addr) net.Listener {
	ctx, cancel := context.WithCancel(ctx)
	return &handoffListener{ctx: ctx, close: cancel, from: g.handoffs, addr: addr}
}

// Accept makes a net.Conn of the next connection that a loop handed over.
func (l *handoffListener) Accept() (net.Conn, error) {
	for {
		select {
		case <-l.ctx.Done():
			return nil, net.ErrClosed
		case h := <-l.from:
			f := os.NewFile(uintptr(h.fd), "socket")
			c, err := net.FileConn(f) // a duplicate, watched by Go's poller
			_ = f.Close()
			if err != nil {
				continue // the client is gone
			}
			return &prefixed{Conn: c, data: h.data}, nil
		}
	}
}

// Close ends Accept.
func (l *handoffListener) Close() error {
	l.close()
	return nil
}

// closeHandoffs closes what net/http did not come to take.
func (g *Gateway) closeHandoffs() {
	for {
		select {
		case h := <-g.handoffs:
			_ = unix.Close(h.fd)
		default:
			return
		}
	}
}

// Addr is the address that the gateway listens on.
func (l *handoffListener) Addr() net.Addr { return l.addr }

// prefixed is a connection of which some was read before.
type prefixed struct {
	net.Conn
	data []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.data)
	p.data = p.data[n:]
	return n, nil
}
