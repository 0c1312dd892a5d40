//go:build !linux

package cluster

import "syscall"

func sysProcAttr() *syscall.SysProcAttr { return nil }

// awaitStopped trusts that the child stands still soon.
func awaitStopped(int) error { return nil }
