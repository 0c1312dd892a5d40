//go:build linux

package swarm_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// patient is a swarm that notes how its sockets end.
func patient(t *testing.T) (*swarm.Swarm, map[int]error) {
	t.Helper()
	s, ends := newSwarm(t), make(map[int]error)
	s.Patient = true
	s.Closed = func(i int, why error) error {
		ends[i] = why
		return nil
	}
	return s, ends
}

func TestAPatientSwarmGoesOn(t *testing.T) {
	h := &hub.Hub{}
	addr := serve(t, h)
	s, ends := patient(t)
	s.Source = netip.MustParseAddr("127.0.7.7")
	ready := 0
	s.Ready = func(int) error { ready++; return nil }
	s.Welcomed = func(i int, _ []byte) error { s.Skip(i, 1); return nil }
	full := answering(t, "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\nContent-Length: 0\r\n\r\n")
	for _, to := range []netip.AddrPort{addr, full, nobody(t)} {
		g, _ := subscribeTo("a")(0)
		if _, err := s.Open(to, g); err != nil {
			t.Fatal(err)
		}
	}
	pollUntil(t, s, func() bool { return ready == 1 && len(ends) == 2 })
	if refused := new(swarm.RefusedError); !errors.As(ends[1], &refused) || refused.Status != 503 || refused.RetryAfter != 7 {
		t.Errorf("refused: %v", ends[1])
	}
	if s.Greeting() != 0 || ends[2] == nil {
		t.Errorf("%d still greet; where nobody listens: %v", s.Greeting(), ends[2])
	}
}

// What a server does not read at once waits, in order, and is bounded.
func TestWhatIsNotReadWaits(t *testing.T) {
	const messages = 100
	text := bytes.Repeat([]byte("x"), 100<<10)
	l, addr := listen(t)
	got := make(chan int, 1)
	start := make(chan struct{})
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x0f{\"type\":\"Hello\"")
		<-start
		n, _ := io.Copy(io.Discard, r)
		got <- int(n)
	}()
	s, _ := patient(t)
	ready := false
	s.Ready = func(int) error { ready = true; return nil }
	if _, err := s.Open(addr, swarm.Greeting{Token: "t"}); err != nil {
		t.Fatal(err)
	}
	pollUntil(t, s, func() bool { return ready })
	sent := 0
	for range messages {
		if err := s.Send(0, text); errors.Is(err, swarm.ErrStuck) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		sent++
	}
	if sent*len(text) < swarm.MaxWaiting-2*len(text) || sent == messages {
		t.Fatalf("%d of %d messages were taken", sent, messages)
	}
	close(start)
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		if _, err := s.Poll(10 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if n, want := <-got, sent*(len(text)+14); n != want {
		t.Errorf("the server read %d bytes, want %d", n, want)
	}
}

func listen(t *testing.T) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, netip.MustParseAddrPort(l.Addr().String())
}

// answering is a server that says the same to everybody.
func answering(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	l, addr := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	return addr
}

// nobody is an address where no one listens.
func nobody(t *testing.T) netip.AddrPort {
	t.Helper()
	l, addr := listen(t)
	_ = l.Close()
	return addr
}
