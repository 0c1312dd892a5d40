package gateway

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller tells which of many sockets are ready. Its descriptor is itself watched by Go's
// own poller, so that a loop which waits costs no thread.
//
// A darwin twin makes development there possible; this one is the real thing.
type poller struct {
	epfd int
	file *os.File
	raw  syscall.RawConn
	buf  [256]unix.EpollEvent
}

// ready is a socket that can be read or written, or is at its end.
type ready struct {
	slot, gen   uint32
	read, write bool
}

const (
	interestRead      = unix.EPOLLIN | unix.EPOLLRDHUP
	interestReadOnce  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT
	interestReadWrite = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLOUT
)

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p := &poller{epfd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// wait blocks until sockets are ready and appends them to list. It fails when the poller
// is closed.
func (p *poller) wait(list []ready) ([]ready, error) {
	var n int
	var failed error
	err := p.raw.Read(func(uintptr) bool {
		for {
			n, failed = unix.EpollWait(p.epfd, p.buf[:], 0)
			if failed != unix.EINTR {
				return failed != nil || n > 0
			}
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return list, err
	}
	for i := range p.buf[:n] {
		e := &p.buf[i]
		list = append(list, ready{
			slot: uint32(e.Fd), gen: uint32(e.Pad),
			read:  e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			write: e.Events&unix.EPOLLOUT != 0,
		})
	}
	return list, nil
}

func (p *poller) control(op, fd int, slot, gen uint32, interest uint32) error {
	// The slot and its generation travel in the event: no map from descriptors.
	e := unix.EpollEvent{Events: interest, Fd: int32(slot), Pad: int32(gen)}
	return unix.EpollCtl(p.epfd, op, fd, &e)
}

func (p *poller) add(fd int, slot, gen uint32, interest uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, slot, gen, interest)
}

func (p *poller) modify(fd int, slot, gen uint32, interest uint32) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, slot, gen, interest)
}

func (p *poller) remove(fd int) { _ = unix.EpollCtl(p.epfd, unix.EPOLL_CTL_DEL, fd, nil) }

// close ends a wait in progress.
func (p *poller) close() { _ = p.file.Close() }
