//go:build linux

package swarm

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Swarm is a set of sockets, numbered from 0 in the order in which they were
// opened. It belongs to one goroutine.
type Swarm struct {
	// Text is called from Poll with each text message of a WebSocket that is
	// ready, and with what no id says to be an answer to one that is not yet; text is
	// valid during the call. An error ends Poll with it. Neither Text nor Raw may call
	// Poll, Dial or Hang.
	Text func(socket int, text []byte) error
	// Raw is called from Poll with the number of bytes read from a raw socket.
	Raw func(socket, n int) error
	// Closed is called from Poll with each WebSocket that the server has closed,
	// or let fall; why says how. Where it is nil that is an error.
	Closed func(socket int, why error) error

	// Welcomed is called from Poll with each WebSocket's first message, unless it is nil. The bounds of Text are its own, too.
	Welcomed func(socket int, text []byte) error

	// Ready is called from Poll with each WebSocket whose greeting is over, unless it is nil. The bounds of Text are its own, too.
	Ready func(socket int) error

	// Patient says to go on whatever becomes of single sockets: they connect while others are served, what one does not take
	// at once waits for it, up to MaxWaiting bytes, and Closed is also told of handshakes and greetings that are refused.
	Patient bool
	// Source is the address from which a patient swarm connects; the kernel's choice where it is not valid.
	Source netip.Addr

	waiting map[int][]byte // by socket: what it did not take yet

	epoll   int
	sockets []socket
	events  []unix.EpollEvent
	buf     []byte // one read of one socket
	out     []byte // one frame to be written
	busy    int    // sockets whose greeting is not over
	coarse  bool   // epoll_pwait2 is not there
}

type socket struct {
	fd       int
	stage    stage
	greeting [][]byte // frames to be sent and answered before the socket is ready
	in       []byte   // the beginning of a message whose end has not come
}

type stage uint8

const (
	raw       stage = iota
	upgrading       // the request was sent
	welcoming       // upgraded, no frame yet
	greeting        // waiting for the answer to a frame of the greeting
	ready
	closed
)

// New makes an empty swarm.
func New() (*Swarm, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	return &Swarm{
		epoll:  fd,
		events: make([]unix.EpollEvent, 512),
		buf:    make([]byte, 256<<10),
	}, nil
}

// Len is the number of sockets opened so far.
func (s *Swarm) Len() int { return len(s.sockets) }

// Greeting is the number of sockets whose greeting is not over.
func (s *Swarm) Greeting() int { return s.busy }

// Poll waits up to timeout for sockets with something to read, reads each once,
// and returns how many there were. Linux before 5.11 rounds the timeout up to a millisecond.
// A socket that the server closed is an error, unless Closed says otherwise.
func (s *Swarm) Poll(timeout time.Duration) (int, error) {
	n, err := s.wait(max(timeout, 0))
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("wait for sockets: %w", err)
	}
	for _, e := range s.events[:n] {
		i := int(e.Fd)
		if s.sockets[i].stage == closed {
			continue
		}
		var err error
		if e.Events&unix.EPOLLOUT != 0 {
			err = s.resume(i)
		}
		if err == nil && e.Events&^unix.EPOLLOUT != 0 {
			err = s.read(i)
		}
		if why := new(closedError); s.Closed != nil && errors.As(err, why) {
			s.shut(i)
			err = s.Closed(i, *why)
		}
		if err != nil {
			return n, fmt.Errorf("socket %d: %w", i, err)
		}
	}
	return n, nil
}

// wait is epoll_pwait2, and epoll_wait where the kernel does not have that.
func (s *Swarm) wait(timeout time.Duration) (int, error) {
	if !s.coarse {
		ts := unix.NsecToTimespec(int64(timeout))
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.epoll), uintptr(unsafe.Pointer(&s.events[0])), uintptr(len(s.events)),
			uintptr(unsafe.Pointer(&ts)), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.ENOSYS, unix.EPERM: // a seccomp filter may say the second
			s.coarse = true
		default:
			return 0, errno
		}
	}
	return unix.EpollWait(s.epoll, s.events, int((timeout+time.Millisecond-1)/time.Millisecond))
}

// closedError says how the server ended a WebSocket.
type closedError struct{ error }

func (e closedError) Unwrap() error { return e.error }

// read takes what one read gives and hands out the complete messages.
func (s *Swarm) read(i int) error {
	k := &s.sockets[i]
	kept := copy(s.buf, k.in)
	n, err := unix.Read(k.fd, s.buf[kept:])
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return closedError{fmt.Errorf("read: %w", err)}
	case n == 0:
		return closedError{errors.New("closed by the server without a close frame")}
	case k.stage == raw:
		if s.Raw == nil {
			return nil
		}
		return s.Raw(i, n)
	}
	rest, err := s.parse(i, s.buf[:kept+n])
	if err != nil {
		return err
	}
	k = &s.sockets[i]
	if len(rest) == 0 {
		k.in = nil
		return nil
	}
	if len(rest) == len(s.buf) {
		return fmt.Errorf("message over %d bytes", len(s.buf))
	}
	k.in = append(k.in[:0], rest...)
	return nil
}

// shut closes a socket without a word.
func (s *Swarm) shut(i int) {
	k := &s.sockets[i]
	switch k.stage {
	case closed:
		return
	case upgrading, welcoming, greeting:
		s.busy--
	}
	_ = unix.Close(k.fd)
	delete(s.waiting, i)
	*k = socket{stage: closed}
}

// Close closes all sockets without a word.
func (s *Swarm) Close() {
	for i := range s.sockets {
		s.shut(i)
	}
	_ = unix.Close(s.epoll)
}
