package gateway

import "golang.org/x/sys/unix"

func readSocket(fd int32, p []byte) (n int, err error) { return unix.Read(int(fd), p) }

func writeSocket(fd int32, p []byte) (n int, err error) { return unix.Write(int(fd), p) }

func acceptSocket(lfd int) (fd int, err error) {
	fd, _, err = unix.Accept(lfd)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	return fd, nil
}

// unsentBytes is how many of the bytes written to a socket are still to be sent.
func unsentBytes(fd int32) int {
	n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NWRITE)
	if err != nil {
		return 0
	}
	return n
}
