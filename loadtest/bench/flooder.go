//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-cluster/realtime/loadtest/usage"
)

// flood is what a flooder is told: the same frame again and again, whatever the server says.
type flood struct {
	Addr    netip.AddrPort `json:"addr"`
	Token   string         `json:"token"`
	Op      ws.OpCode      `json:"op"`
	Payload []byte         `json:"payload"`
	Rate    int            `json:"rate"` // frames a second
	Time    time.Duration  `json:"time"`
}

// inundation is what came of it.
type inundation struct {
	Frames  int            `json:"frames"`      // that were written
	Answers int            `json:"answers"`     // frames of the server
	Closes  map[string]int `json:"closes"`      // connections that ended, by close code, or "none"
	Shut    int            `json:"shut"`        // handshakes that were refused
	CPU     float64        `json:"cpu_percent"` // of the flooder, of one core
}

const (
	// floodStep is how often a flooder writes. It writes what is due then at once.
	floodStep = 2 * time.Millisecond
	// floodLate is how much it makes up for at once when the server did not take what was written.
	floodLate = 50 * time.Millisecond
	// floodAgain is when it tries again after a handshake was refused.
	floodAgain = 10 * time.Millisecond
)

// flooder is one client that reads what it gets and heeds nothing of it.
type flooder struct {
	flood
	frames  []byte // as many as are due in floodLate
	size    int    // of one
	answers atomic.Int64
	got     inundation
}

// inundate floods. It connects again whenever it is thrown out.
func inundate(f flood) (*inundation, error) {
	frame, err := ws.CompileFrame(ws.MaskFrameWith(ws.NewFrame(f.Op, true, f.Payload), [4]byte{1, 2, 3, 4}))
	if err != nil {
		return nil, fmt.Errorf("make a frame: %w", err)
	}
	p := &flooder{flood: f, size: len(frame), got: inundation{Closes: make(map[string]int)}}
	p.frames = slices.Repeat(frame, max(1, int(floodLate.Seconds()*float64(f.Rate))))
	begin := time.Now()
	before, err := usage.CPU(os.Getpid())
	if err != nil {
		return nil, err
	}
	if err := p.run(begin); err != nil {
		return nil, err
	}
	after, err := usage.CPU(os.Getpid())
	p.got.CPU = 100 * float64(after-before) / float64(time.Since(begin))
	p.got.Answers = int(p.answers.Load())
	return &p.got, err
}

func (p *flooder) run(begin time.Time) error {
	for over := begin.Add(p.Time); time.Now().Before(over); {
		conn, rest, err := p.dial()
		if no := ws.StatusError(0); errors.As(err, &no) {
			p.got.Shut++
			time.Sleep(floodAgain)
			continue
		}
		if err != nil {
			return fmt.Errorf("connect a flooder: %w", err)
		}
		code := make(chan string, 1)
		go func() {
			code <- p.read(rest)
			_ = conn.Close()
		}()
		lasted := p.write(conn, over)
		if lasted {
			_ = conn.Close()
		}
		if c := <-code; !lasted {
			p.got.Closes[c]++
		}
	}
	return nil
}

func (p *flooder) dial() (net.Conn, io.Reader, error) {
	d := ws.Dialer{Timeout: 5 * time.Second, Header: ws.HandshakeHeaderHTTP(http.Header{"Authorization": {"Bearer " + p.Token}})}
	conn, buffered, _, err := d.Dial(context.Background(), "ws://"+p.Addr.String()+"/ws")
	if err != nil {
		return nil, nil, err
	}
	if buffered != nil { // the welcome came with the handshake
		return conn, io.MultiReader(io.LimitReader(buffered, int64(buffered.Buffered())), conn), nil
	}
	return conn, conn, nil
}

// write writes at the rate until it is over, or the connection is. It reports whether the connection lasted.
func (p *flooder) write(conn net.Conn, over time.Time) bool {
	interval := time.Second / time.Duration(p.Rate)
	tick := time.NewTicker(max(floodStep, interval))
	defer tick.Stop()
	_ = conn.SetWriteDeadline(over)
	for due := time.Now(); ; <-tick.C {
		now := time.Now()
		if now.After(over) {
			return true
		}
		if late := now.Add(-floodLate); due.Before(late) {
			due = late
		}
		n := int(now.Sub(due) / interval)
		due = due.Add(time.Duration(n) * interval)
		wrote, err := conn.Write(p.frames[:min(n*p.size, len(p.frames))])
		p.got.Frames += wrote / p.size
		if err != nil {
			return errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

// read reads until the connection ends. It returns the close code, or "none".
func (p *flooder) read(from io.Reader) string {
	code := "none"
	r := bufio.NewReaderSize(from, 64<<10)
	for {
		op, body, err := skim(r)
		if err != nil {
			return code
		}
		p.answers.Add(1)
		if op == ws.OpClose && len(body) >= 2 {
			code = fmt.Sprint(binary.BigEndian.Uint16(body))
		}
	}
}

// skim reads a frame of the server. It returns the body only of a close frame.
func skim(r *bufio.Reader) (ws.OpCode, []byte, error) {
	head, err := r.Peek(2)
	if err != nil {
		return 0, nil, err
	}
	op, n, size := ws.OpCode(head[0]&0x0f), int(head[1]), 2
	if n == 126 {
		if head, err = r.Peek(4); err != nil {
			return 0, nil, err
		}
		n, size = int(binary.BigEndian.Uint16(head[2:])), 4
	}
	if _, err := r.Discard(size); err != nil {
		return 0, nil, err
	}
	var body []byte
	if op == ws.OpClose {
		if b, err := r.Peek(n); err == nil {
			body = slices.Clone(b)
		}
	}
	_, err = r.Discard(n)
	return op, body, err
}
