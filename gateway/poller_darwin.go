package gateway

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// poller is a plain kqueue, enough to develop on: waiting takes a thread. See
// poller_linux.go for what it stands in for.
type poller struct {
	kq   int
	buf  [256]unix.Kevent_t
	mu   sync.Mutex
	regs map[int]*registration // by descriptor
}

type registration struct {
	slot, gen uint32
	write     bool
}

type ready struct {
	slot, gen   uint32
	read, write bool
}

const (
	interestRead = iota
	interestReadOnce
	interestReadWrite
)

func newPoller() (*poller, error) {
	kq, err := unix.Kqueue()
	if err != nil {
		return nil, fmt.Errorf("kqueue: %w", err)
	}
	return &poller{kq: kq, regs: make(map[int]*registration)}, nil
}

func (p *poller) wait(list []ready) ([]ready, error) {
	for {
		timeout := unix.NsecToTimespec(100e6) // so that close is noticed
		n, err := unix.Kevent(p.kq, nil, p.buf[:], &timeout)
		if errors.Is(err, unix.EINTR) || (err == nil && n == 0) {
			continue
		}
		if err != nil {
			return list, err
		}
		p.mu.Lock()
		for _, e := range p.buf[:n] {
			if r := p.regs[int(e.Ident)]; r != nil {
				list = append(list, ready{slot: r.slot, gen: r.gen,
					read: e.Filter == unix.EVFILT_READ, write: e.Filter == unix.EVFILT_WRITE})
			}
		}
		p.mu.Unlock()
		return list, nil
	}
}

func (p *poller) change(fd int, filter, flags int) error {
	var e unix.Kevent_t
	unix.SetKevent(&e, fd, filter, flags)
	_, err := unix.Kevent(p.kq, []unix.Kevent_t{e}, nil, nil)
	return err
}

func (p *poller) add(fd int, slot, gen uint32, interest uint32) error {
	p.mu.Lock()
	p.regs[fd] = &registration{slot: slot, gen: gen}
	p.mu.Unlock()
	return p.modify(fd, slot, gen, interest)
}

func (p *poller) modify(fd int, slot, gen uint32, interest uint32) error {
	flags := unix.EV_ADD | unix.EV_ENABLE
	if interest == interestReadOnce {
		flags |= unix.EV_DISPATCH
	}
	if err := p.change(fd, unix.EVFILT_READ, flags); err != nil {
		return err
	}
	p.mu.Lock()
	r := p.regs[fd]
	p.mu.Unlock()
	want := interest == interestReadWrite
	if r == nil || r.write == want {
		return nil
	}
	r.write = want
	if want {
		return p.change(fd, unix.EVFILT_WRITE, unix.EV_ADD|unix.EV_ENABLE)
	}
	return p.change(fd, unix.EVFILT_WRITE, unix.EV_DELETE)
}

func (p *poller) remove(fd int) {
	p.mu.Lock()
	delete(p.regs, fd)
	p.mu.Unlock()
	_ = p.change(fd, unix.EVFILT_READ, unix.EV_DELETE)
	_ = p.change(fd, unix.EVFILT_WRITE, unix.EV_DELETE)
}

func (p *poller) close() { _ = unix.Close(p.kq) }
