//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bareFlag makes this program the bare one.
const bareFlag = "-bare"

// bare is the bare program as its parent sees it.
type bare struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	addr netip.AddrPort
}

// startBare starts the bare program, which waits for n sockets.
func startBare(n int) (*bare, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the bare program: %w", err)
	}
	cmd := exec.Command(self, bareFlag, strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the bare program: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the bare program: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the bare program: %w", err)
	}
	b := &bare{cmd: cmd, in: in}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		b.addr, err = netip.ParseAddrPort(strings.TrimSpace(line))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the bare program: %w", err), b.close())
	}
	return b, nil
}

// write lets it write size bytes to each of n of its sockets, from first on.
func (b *bare) write(size, first, n int) error {
	var cmd [commandSize]byte
	for i, v := range []int{size, first, n} {
		binary.LittleEndian.PutUint32(cmd[4*i:], uint32(v))
	}
	if _, err := b.in.Write(cmd[:]); err != nil {
		return fmt.Errorf("command the bare program: %w", err)
	}
	return nil
}

func (b *bare) pid() int { return b.cmd.Process.Pid }

// stop closes it, and passes err on, or what went wrong with that.
func (b *bare) stop(err error) error {
	if e := b.close(); err == nil {
		err = e
	}
	return err
}

// close lets it end and waits for it. One that still waits for sockets must be
// made to.
func (b *bare) close() error {
	_ = b.in.Close()
	defer time.AfterFunc(2*time.Second, func() { _ = b.cmd.Process.Kill() }).Stop()
	if err := b.cmd.Wait(); err != nil {
		return fmt.Errorf("bare program: %w", err)
	}
	return nil
}
