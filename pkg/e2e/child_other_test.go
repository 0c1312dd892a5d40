//go:build !linux

package e2e_test

import "syscall"

// childAttr makes a process the head of its own group.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
