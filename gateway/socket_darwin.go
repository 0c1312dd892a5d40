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
