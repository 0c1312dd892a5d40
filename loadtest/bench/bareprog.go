//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/loadtest/usage"
)

// commandSize is that of a command: the size of a frame, the first socket and
// the number of sockets, four bytes each.
const commandSize = 12

// bareMain is the bare program: it accepts n sockets and then, for each command
// on its input, writes a frame to each of the sockets it names. It uses
// neither Go's poller nor goroutines, so that its CPU time is that of write().
func bareMain(args []string) int {
	runtime.LockOSThread()
	if err := bareProgram(args); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		return 1
	}
	return 0
}

func bareProgram(args []string) error {
	if len(args) != 1 {
		return errors.New("wants a number of sockets")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("number of sockets: %w", err)
	}
	if _, err := usage.RaiseDescriptors(); err != nil {
		return err
	}
	fds, err := acceptRaw(n)
	if err != nil {
		return err
	}
	frame := make([]byte, 1<<20)
	for {
		var cmd [commandSize]byte
		if got, err := readFull(cmd[:]); err != nil || got == 0 {
			return err
		}
		size := int(binary.LittleEndian.Uint32(cmd[0:]))
		first := int(binary.LittleEndian.Uint32(cmd[4:]))
		count := int(binary.LittleEndian.Uint32(cmd[8:]))
		for i, fd := range fds[first : first+count] {
			sent, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&frame[0])), uintptr(size))
			if errno != 0 || int(sent) != size {
				return fmt.Errorf("write %d bytes to socket %d: %d written, %w", size, first+i, sent, errno)
			}
		}
	}
}

// acceptRaw listens on a free port, prints the address, and accepts n sockets.
func acceptRaw(n int) ([]int, error) {
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("create socket: %w", err)
	}
	defer func() { _ = unix.Close(l) }()
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(l, 1024); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	name, err := unix.Getsockname(l)
	if err != nil {
		return nil, fmt.Errorf("read own address: %w", err)
	}
	fmt.Printf("127.0.0.1:%d\n", name.(*unix.SockaddrInet4).Port)
	fds := make([]int, 0, n)
	for len(fds) < n {
		fd, _, err := unix.Accept4(l, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("accept: %w", err)
		}
		// As the server does, and as no frame should wait for the next.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return nil, fmt.Errorf("set TCP_NODELAY: %w", err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// readFull fills b from the input; 0 and no error is its end.
func readFull(b []byte) (int, error) {
	for at := 0; at < len(b); {
		n, err := unix.Read(0, b[at:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return at, fmt.Errorf("read a command: %w", err)
		case n == 0:
			return 0, nil
		}
		at += n
	}
	return len(b), nil
}
