//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "powercut: needs Linux: its disks are mounted by FUSE")
	os.Exit(1)
}
