package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

const (
	// socketSlack is how many sockets there may be over MAX_CONNECTIONS: handshakes in
	// progress, and HTTP requests, which must be answered at capacity too.
	socketSlack = 1024
	// acceptPause is how long to wait when the process is out of descriptors.
	acceptPause = 100 * time.Millisecond
)

// accept takes connections and deals them out to the loops, one after another.
func (g *Gateway) accept(ctx context.Context, ln *net.TCPListener) error {
	file, raw, err := pollable(ln)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = file.Close() })()
	next := 0
	for {
		fd := -1
		var failed error
		err := raw.Read(func(lfd uintptr) bool {
			fd, failed = acceptSocket(int(lfd))
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case err != nil:
			if ctx.Err() != nil {
				return nil
			}
			return err
		case failed != nil:
			g.acceptFailed(ctx, failed)
		case g.sockets.Load() >= int64(g.cfg.MaxConnections+socketSlack):
			g.metrics.acceptErrors.Inc()
			_ = unix.Close(fd)
		default:
			g.metrics.accepted.Inc()
			g.sockets.Add(1)
			var l *loop
			l, next = g.nextLoop(next)
			if !l.mail.post(func(l *loop) { l.begin(int32(fd)) }) {
				g.sockets.Add(-1)
				_ = unix.Close(fd)
			}
		}
	}
}

// nextLoop returns the loop for the next connection, and the number to ask for the one after it with. It passes over those that
// are stuck, or have failed and not begun again; when all have, connections wait for one.
func (g *Gateway) nextLoop(next int) (*loop, int) {
	for range g.loops {
		l := g.loops[next%len(g.loops)]
		next++
		if !l.resting.Load() && !l.pulse.Stuck() {
			return l, next
		}
	}
	return g.loops[next%len(g.loops)], next + 1
}

// pollable returns the listening socket as what its own net.TCPListener does not offer:
// something to wait on that leaves the accepting to us, so that a connection never
// becomes a net.Conn.
func pollable(ln *net.TCPListener) (*os.File, syscall.RawConn, error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	fd := -1
	var failed error
	if err := raw.Control(func(lfd uintptr) { fd, failed = unix.FcntlInt(lfd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, nil, err
	}
	if failed != nil {
		return nil, nil, failed
	}
	file := os.NewFile(uintptr(fd), "listener") // non-blocking, as its original
	own, err := file.SyscallConn()
	return file, own, err
}

// acceptFailed waits where trying at once again would fail again.
func (g *Gateway) acceptFailed(ctx context.Context, err error) {
	g.metrics.acceptErrors.Inc()
	if !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE) && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.ENOMEM) {
		return // the client was gone before it was accepted, or the like
	}
	g.log.Warn("accept", zap.Error(err))
	select {
	case <-ctx.Done():
	case <-time.After(acceptPause):
	}
}

// begin takes a new socket onto the loop.
func (l *loop) begin(fd int32) {
	if l.closing {
		l.gw.sockets.Add(-1)
		_ = unix.Close(int(fd))
		return
	}
	if l.unheard {
		l.door = append(l.door, fd)
		return
	}
	c := l.conns.take()
	c.fd, c.state = fd, stateHead
	wait := ticks(l.gw.cfg.HandshakeTimeout)
	c.until = l.wheel.now + wait
	l.schedule(c, wait)
	if err := l.poll.add(int(fd), c.slot, c.gen, interestReadOnce); err != nil {
		l.log.Error("watch a socket", zap.Error(err))
		l.drop(c, endGone)
	}
}
