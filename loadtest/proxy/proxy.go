// Package proxy stands between a process and a server that it talks to over TCP, and breaks the link on demand: it holds
// back bytes, resets connections, refuses new ones.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Proxy forwards connections to one server. Its methods may be called from any goroutine.
type Proxy struct {
	// static
	target   string
	listener net.Listener

	mu     sync.Mutex // guards what follows
	links  map[*link]struct{}
	open   chan struct{} // closed while bytes pass
	refuse bool
	ended  bool
	total  int
}

// Listen opens a port of 127.0.0.1 for connections to target (host:port). They are served by Run.
func Listen(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", target, err)
	}
	p := &Proxy{target: target, listener: l, links: make(map[*link]struct{}), open: make(chan struct{})}
	close(p.open)
	return p, nil
}

// Addr is host:port of the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Run serves connections until ctx ends, then closes all.
func (p *Proxy) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.listener.Close() })
	defer stop()
	var links sync.WaitGroup
	defer links.Wait()
	defer p.end()
	for {
		conn, err := p.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				reset(conn)
			}
			return nil
		}
		if err != nil {
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				continue
			}
			return fmt.Errorf("accept for %s: %w", p.target, err)
		}
		l := p.admit(conn)
		if l == nil {
			reset(conn)
			continue
		}
		links.Go(func() {
			defer p.remove(l)
			l.run(p.gate, p.target)
		})
	}
}

func (p *Proxy) admit(conn net.Conn) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || p.ended {
		return nil
	}
	l := &link{client: conn, done: make(chan struct{})}
	p.links[l] = struct{}{}
	p.total++
	return l
}

func (p *Proxy) remove(l *link) {
	l.cut()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) end() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.Reset()
}

func (p *Proxy) gate() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// Pause holds back all bytes, both ways: nobody is told. New connections are
// taken, and get no answer.
func (p *Proxy) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.open = make(chan struct{})
	default: // it is paused
	}
}

// Resume lets all bytes pass, those held back first.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// Refuse says whether new connections are reset at once.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// Reset ends all connections by a RST to both sides, with what is held back. It returns how
// many there were.
func (p *Proxy) Reset() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
	return len(p.links)
}

// Total counts the connections that were taken.
func (p *Proxy) Total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}
