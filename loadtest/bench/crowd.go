//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// crowdFlag makes this program a crowd.
const crowdFlag = "-crowd"

// crowdSize is how many sockets one crowd holds at most: a process may have no more
// than 20,000 descriptors where this is developed.
const crowdSize = 10_000

// order is what a crowd is told to do; one line of JSON.
type order struct {
	Do string `json:"do"`

	Addrs []netip.AddrPort `json:"addrs,omitempty"` // connect: the gateways
	First int              `json:"first,omitempty"` // connect: the number of the first user
	Count int              `json:"count,omitempty"` // connect: sockets
	Slot  int              `json:"slot,omitempty"`  // await
	Total int              `json:"total,omitempty"` // await: messages that each socket is to have got in that slot

	Return *comeback `json:"return,omitempty"` // return, with Addrs, First and Count
	Flood  *flood    `json:"flood,omitempty"`  // flood
}

// What a crowd may be told to do.
const (
	doConnect = "connect" // open the sockets and subscribe each to topicAll
	doJoin    = "join"    // have each join crowdRoom
	doAwait   = "await"   // read until all messages are there
	doRest    = "rest"    // read for restTime
	doReturn  = "return"  // open the sockets anew, and read what they missed
	doVanish  = "vanish"  // close them without a word
	doFlood   = "flood"   // be one client that sends more than it may
)

// restTime is longer than the events of a large room are gathered.
const restTime = 3 * time.Second

// crowdAnswer is what became of an order; one line of JSON.
type crowdAnswer struct {
	Error  string        `json:"error,omitempty"`
	Took   time.Duration `json:"took"`
	Events int           `json:"events"` // RoomEvents read since the order before
	Times  *histogram    `json:"times,omitempty"`
	Back   *homecoming   `json:"back,omitempty"`
	Flood  *inundation   `json:"flood,omitempty"`
}

// crowd is a program full of sockets as its parent sees it.
type crowd struct {
	cmd *exec.Cmd
	in  *json.Encoder
	out *json.Decoder
	end io.Closer
}

func startCrowd() (*crowd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start a crowd: %w", err)
	}
	cmd := exec.Command(self, crowdFlag)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start a crowd: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a crowd: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a crowd: %w", err)
	}
	return &crowd{cmd: cmd, in: json.NewEncoder(in), out: json.NewDecoder(out), end: in}, nil
}

// give gives an order, whose outcome answer waits for.
func (c *crowd) give(o order) error {
	if err := c.in.Encode(o); err != nil {
		return fmt.Errorf("give a crowd an order: %w", err)
	}
	return nil
}

func (c *crowd) answer() (a crowdAnswer, err error) {
	if err := c.out.Decode(&a); err != nil {
		return a, fmt.Errorf("read a crowd's answer: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// close lets it end and waits for it.
func (c *crowd) close() {
	_ = c.end.Close()
	defer time.AfterFunc(5*time.Second, func() { _ = c.cmd.Process.Kill() }).Stop()
	_ = c.cmd.Wait()
}
