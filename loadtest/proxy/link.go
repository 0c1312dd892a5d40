package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection and its other half.
type link struct {
	client net.Conn // static
	done   chan struct{}

	mu     sync.Mutex // guards what follows
	server net.Conn   // nil before it is there
	over   bool
}

const dialTimeout = 5 * time.Second

// run forwards both ways until one side ends or cut is called.
func (l *link) run(gate func() <-chan struct{}, target string) {
	select {
	case <-gate():
	case <-l.done:
		return
	}
	server, err := net.DialTimeout("tcp", target, dialTimeout)
	if err != nil {
		return
	}
	l.mu.Lock()
	over := l.over
	l.server = server
	l.mu.Unlock()
	if over {
		reset(server)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pass(server, l.client, gate) })
	both.Go(func() { l.pass(l.client, server, gate) })
	both.Wait()
}

// pass copies from one side to the other. An end of the stream is passed on, an error ends both.
func (l *link) pass(to, from net.Conn, gate func() <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-gate():
		case <-l.done:
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				l.cut()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			if tcp, ok := to.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
				return
			}
		}
		if err != nil {
			l.cut()
			return
		}
	}
}

// cut resets both sides.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	close(l.done)
	reset(l.client)
	if l.server != nil {
		reset(l.server)
	}
}

// reset closes a connection by a RST.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
