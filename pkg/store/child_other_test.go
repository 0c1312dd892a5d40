//go:build !linux

package store

import "syscall"

func childAttr() *syscall.SysProcAttr { return nil }
