//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "load: needs Linux: it reads another process's CPU clock and drives sockets by epoll")
	os.Exit(1)
}
