package e2e_test

import "syscall"

// childAttr makes a process the head of its own group, and one that dies with us.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
