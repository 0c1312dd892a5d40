package gateway

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below never block, as the sockets are non-blocking, and so they go without
// telling Go's scheduler: that would cost more than some of them do.

// readSocket reads what there is. n is 0 at the end of the stream.
func readSocket(fd int32, p []byte) (n int, err error) {
	for {
		r, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch e {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}

// writeSocket writes what fits.
func writeSocket(fd int32, p []byte) (n int, err error) {
	for {
		r, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch e {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}

// acceptSocket accepts a connection: non-blocking, and without Nagle's delay, as a turn writes
// once what it has.
func acceptSocket(lfd int) (fd int, err error) {
	for {
		fd, _, err = unix.Accept4(lfd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	return fd, err
}

// unsentBytes is how many of the bytes written to a socket the peer's kernel has not yet
// acknowledged.
func unsentBytes(fd int32) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
