//go:build linux

package swarm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// Greeting is how a WebSocket begins.
type Greeting struct {
	Token   string
	Path    string // /ws where it is empty
	Session string // to resume; none where it is empty
	// Messages are sent one after the other, each once the one before it was
	// answered; the first follows the welcome.
	Messages [][]byte
}

// inFlight bounds the sockets that are connecting at the same time, so that no
// listen queue overflows.
const inFlight = 64

// Dial opens n WebSockets to addr and returns when each has been welcomed and
// every message of its greeting answered. greeting is asked with the socket's
// number. An answer that is an Error is an error.
func (s *Swarm) Dial(ctx context.Context, addr netip.AddrPort, n int, greeting func(socket int) (Greeting, error)) error {
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.progress(ctx, inFlight-1); err != nil {
			return err
		}
		g, err := greeting(len(s.sockets))
		if err != nil {
			return err
		}
		if _, err := s.Open(addr, g); err != nil {
			return err
		}
	}
	return s.progress(ctx, 0)
}

// Open begins one WebSocket to addr and returns its number: Poll brings it on.
func (s *Swarm) Open(addr netip.AddrPort, g Greeting) (int, error) {
	i := len(s.sockets)
	begin := connect
	if s.Patient {
		begin = s.connecting
	}
	fd, err := begin(addr)
	if err != nil {
		return i, fmt.Errorf("socket %d: %w", i, err)
	}
	if err := s.add(socket{fd: fd, stage: upgrading, greeting: g.Messages}); err != nil {
		return i, err
	}
	s.busy++
	if s.Patient {
		return i, s.await(i, upgradeRequest(addr, g))
	}
	if err := write(fd, upgradeRequest(addr, g)); err != nil {
		return i, fmt.Errorf("socket %d: %w", i, err)
	}
	return i, nil
}

// Hang ends a WebSocket that is ready, with a close frame whose answer nobody
// awaits. Its number is not used again.
func (s *Swarm) Hang(socket int) error {
	if err := s.write(socket, ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, "")); err != nil {
		return fmt.Errorf("socket %d: %w", socket, err)
	}
	s.shut(socket)
	return nil
}

// DialRaw opens n sockets that speak nothing.
func (s *Swarm) DialRaw(ctx context.Context, addr netip.AddrPort, n int) error {
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		fd, err := connect(addr)
		if err != nil {
			return fmt.Errorf("socket %d: %w", len(s.sockets), err)
		}
		if err := s.add(socket{fd: fd, stage: raw}); err != nil {
			return err
		}
	}
	return nil
}

// progress polls until at most busy sockets are still greeting.
func (s *Swarm) progress(ctx context.Context, busy int) error {
	const patience = 10 * time.Second
	deadline := time.Now().Add(patience)
	for before := s.busy; s.busy > busy; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := s.Poll(100 * time.Millisecond); err != nil {
			return err
		}
		if s.busy != before {
			before, deadline = s.busy, time.Now().Add(patience)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d sockets got no answer for %v", s.busy, len(s.sockets), patience)
		}
	}
	return nil
}

func (s *Swarm) add(k socket) error {
	i := len(s.sockets)
	s.sockets = append(s.sockets, k)
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, k.fd, &e); err != nil {
		return fmt.Errorf("socket %d: add to epoll: %w", i, err)
	}
	return nil
}

// connect opens a socket and makes it non-blocking once it is connected.
func connect(addr netip.AddrPort) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("create socket: %w", err)
	}
	patience := unix.Timeval{Sec: 10} // bounds connect, too
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		retry(func() error {
			return unix.Connect(fd, &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())})
		}),
		unix.SetNonblock(fd, true),
	)
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// retry repeats a call that a signal interrupted; Go's runtime sends such.
func retry(f func() error) error {
	for {
		err := f()
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EALREADY) {
			if errors.Is(err, unix.EISCONN) {
				return nil
			}
			return err
		}
	}
}
