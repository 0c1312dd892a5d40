package cluster

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// sysProcAttr lets the kernel kill the child when its parent dies. Strictly, when
// the parent's thread dies; Go's threads live as long as the process, unless a
// goroutine that is locked to one ends.
func sysProcAttr() *syscall.SysProcAttr {
	// A group of its own: Ctrl-C is for who started it.
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// awaitStopped returns once every thread of a child that was sent SIGSTOP stands
// still: the signal alone is only a request.
func awaitStopped(pid int) error {
	for {
		// WNOWAIT: a child that stands still already says so again.
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
