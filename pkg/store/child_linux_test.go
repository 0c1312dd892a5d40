package store

import "syscall"

// childAttr makes a process one that dies with us.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
