//go:build linux

package swarm

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// CloseError is a server's close frame.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("closed by the server: %d %s", e.Code, e.Reason)
}

// RefusedError is a handshake that was answered with anything but 101.
type RefusedError struct {
	Status     int // of HTTP; 0 where it is none
	RetryAfter int // seconds; 0 where the answer does not say
	Text       string
}

func (e *RefusedError) Error() string { return "handshake refused: " + e.Text }

// GreetingError is an Error in answer to a message of a greeting.
type GreetingError struct{ Text string }

func (e *GreetingError) Error() string { return "greeting refused: " + e.Text }

// connecting opens a socket that may connect later: Poll brings it on.
func (s *Swarm) connecting(addr netip.AddrPort) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("create socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_NODELAY, 1)
	if s.Source.IsValid() && err == nil {
		// The port is chosen when the other end is known, so that it can be one that is used towards another.
		if err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err == nil {
			err = unix.Bind(fd, &unix.SockaddrInet4{Addr: s.Source.As4()})
		}
	}
	if err == nil {
		err = retry(func() error {
			return unix.Connect(fd, &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())})
		})
	}
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// MaxWaiting is how many bytes may wait for one socket of a patient swarm.
const MaxWaiting = 4 << 20

// ErrStuck is returned by Send where the server does not read what it gets.
var ErrStuck = fmt.Errorf("more than %d bytes wait for the server to read", MaxWaiting)

// await keeps what a socket does not take yet.
func (s *Swarm) await(i int, b []byte) error {
	if len(s.waiting[i])+len(b) > MaxWaiting {
		return ErrStuck
	}
	if s.waiting == nil {
		s.waiting = make(map[int][]byte)
	}
	s.waiting[i] = append(s.waiting[i], b...)
	return s.listen(i, unix.EPOLLIN|unix.EPOLLOUT)
}

// resume writes what waits for a socket that takes bytes again.
func (s *Swarm) resume(i int) error {
	b := s.waiting[i]
	n, err := unix.Write(s.sockets[i].fd, b)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return closedError{fmt.Errorf("write: %w", err)}
	case n < len(b):
		s.waiting[i] = b[n:]
		return nil
	}
	delete(s.waiting, i)
	return s.listen(i, unix.EPOLLIN)
}

func (s *Swarm) listen(i int, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(i)}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_MOD, s.sockets[i].fd, &e); err != nil {
		return fmt.Errorf("socket %d: change epoll: %w", i, err)
	}
	return nil
}

// Skip leaves out the first n messages of a greeting that are not sent yet: Welcomed may know that they are not needed.
func (s *Swarm) Skip(socket, n int) {
	k := &s.sockets[socket]
	k.greeting = k.greeting[min(n, len(k.greeting)):]
}
