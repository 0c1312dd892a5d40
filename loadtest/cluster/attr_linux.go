package cluster

import "syscall"

// sysProcAttr lets the kernel kill the child when its parent dies. Strictly, when
// the parent's thread dies; Go's threads live as long as the process, unless a
// goroutine that is locked to one ends.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
