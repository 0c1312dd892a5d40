// Package client is a client of the protocol for tests and tools: one
// connection, requests with ids, deliveries in order.
//
// It knows docs/PROTOCOL.md and nothing of the server's code, so that a test
// written with it shows what a foreign client would see.
package client

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// Client is one connection. Its methods may be called from any goroutine;
// those that wait for a reply (Subscribe, Broadcast, Ping, Close and the like)
// must not be called from a callback of Options or of Publish and its like,
// because these run on the goroutine that reads the reply.
type Client struct {
	// static
	opts    Options
	conn    net.Conn
	prefix  string // of request ids; random, so that ids differ between a user's connections
	welcome Welcome
	done    chan struct{} // closed by readLoop as the last thing it does

	// owned by readLoop (by Dial until it starts)
	rd  *bufio.Reader
	buf []byte

	wmu  sync.Mutex // guards wbuf and the order of writes
	wbuf []byte

	mu      sync.Mutex // guards what follows
	pending map[string]func(Message, error)
	nextID  uint64
	err     error // why the connection ended; nil while it lives
	ending  bool  // Close or Abort was called
}

// Dial opens a connection to url (ws://host:port/ws), presents token and reads
// the welcome. An answer other than 101 is a *HandshakeError; a close before
// the welcome is a *CloseError; an Error frame in its place is a *ServerError.
func Dial(ctx context.Context, url, token string, opts Options) (*Client, error) {
	opts = opts.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, opts.DialTimeout)
	defer cancel()
	conn, br, err := handshake(ctx, url, token, opts)
	if err != nil {
		return nil, err
	}
	c := &Client{
		opts:    opts,
		conn:    conn,
		prefix:  randomPrefix(),
		done:    make(chan struct{}),
		rd:      br,
		pending: make(map[string]func(Message, error)),
	}
	if c.rd == nil {
		c.rd = bufio.NewReaderSize(conn, 32<<10)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	err = c.readWelcome()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("read welcome: %w", err)
	}
	if opts.Welcome != nil {
		opts.Welcome(c.welcome)
	}
	go c.readLoop()
	return c, nil
}

// Welcome is what the server said in its first frame.
func (c *Client) Welcome() Welcome { return c.welcome }

// Done is closed when the connection has ended, whoever ended it, and every
// callback has returned.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err tells why the connection ended: a *CloseError when the peer sent a close
// frame, ErrClosed after Close or Abort, otherwise the I/O error; nil while it
// lives.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// CloseCode is the code of the server's close frame: 0 while the connection
// lives, 1006 when it ended without one.
func (c *Client) CloseCode() int {
	err := c.Err()
	if err == nil {
		return 0
	}
	if code, ok := closeCode(err); ok {
		return code
	}
	return int(ws.StatusAbnormalClosure)
}

// Close says goodbye with 1000, waits for the server's answer for at most
// Options.CloseTimeout, closes the socket and joins the read goroutine. It is
// safe to call twice.
func (c *Client) Close() error {
	c.mu.Lock()
	first := !c.ending
	c.ending = true
	c.mu.Unlock()
	if first {
		_ = c.conn.SetReadDeadline(time.Now().Add(c.opts.CloseTimeout))
		_ = c.write(ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
	}
	<-c.done
	return nil
}

// Abort closes the socket without a word, as a crashed client would, and joins
// the read goroutine.
func (c *Client) Abort() {
	c.mu.Lock()
	c.ending = true
	c.mu.Unlock()
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.conn.Close()
	<-c.done
}

func (c *Client) isEnding() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

func randomPrefix() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:]) + "-"
}
