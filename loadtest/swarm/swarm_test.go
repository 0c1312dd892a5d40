//go:build linux

package swarm_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

func serve(t *testing.T, h *hub.Hub) netip.AddrPort {
	t.Helper()
	s := httptest.NewServer(h.Handler())
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	return netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "http://"))
}

func newSwarm(t *testing.T) *swarm.Swarm {
	t.Helper()
	s, err := swarm.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func subscribeTo(topic string) func(int) (swarm.Greeting, error) {
	return func(int) (swarm.Greeting, error) {
		return swarm.Greeting{Token: "t", Messages: [][]byte{
			[]byte(`{"type":"Ping","id":"p"}`),
			[]byte(`{"type":"Subscribe","id":"s","data":{"topics":["` + topic + `"]}}`),
		}}, nil
	}
}

func pollUntil(t *testing.T, s *swarm.Swarm, done func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatal("timeout")
		}
		if _, err := s.Poll(50 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEverySocketGetsEveryMessage(t *testing.T) {
	addr := serve(t, &hub.Hub{})
	s := newSwarm(t)
	const n, messages = 200, 20
	if err := s.Dial(t.Context(), addr, n, subscribeTo("a")); err != nil {
		t.Fatal(err)
	}
	got := make([]int, n)
	total := 0
	s.Text = func(i int, text []byte) error {
		if bytes.Contains(text, []byte(`"type":"Broadcast"`)) {
			if want := fmt.Sprintf(`"payload":%d`, got[i]); !bytes.Contains(text, []byte(want)) {
				return fmt.Errorf("%s without %s", text, want)
			}
			got[i]++
			total++
		}
		return nil
	}
	for m := range messages {
		if err := s.Send(m, fmt.Appendf(nil, `{"type":"Broadcast","data":{"topic":"a","payload":%d}}`, m)); err != nil {
			t.Fatal(err)
		}
		pollUntil(t, s, func() bool { return total == n*(m+1) })
	}
}

func TestFramesInPieces(t *testing.T) {
	h := &hub.Hub{}
	addr := serve(t, h)
	s := newSwarm(t)
	if err := s.Dial(t.Context(), addr, 1, func(int) (swarm.Greeting, error) { return swarm.Greeting{Token: "t"}, nil }); err != nil {
		t.Fatal(err)
	}
	var got []int
	s.Text = func(_ int, text []byte) error { got = append(got, len(text)); return nil }
	sizes := []int{0, 1, 125, 126, 65535, 65536, 200_000, 3}
	go func() {
		for _, n := range sizes {
			h.Write(0, ws.NewTextFrame(bytes.Repeat([]byte("x"), n)), ws.NewPingFrame([]byte("p")))
		}
	}()
	pollUntil(t, s, func() bool { return len(got) == len(sizes) })
	if fmt.Sprint(got) != fmt.Sprint(sizes) {
		t.Errorf("sizes %v", got)
	}
}

func TestRefusalsAreErrors(t *testing.T) {
	h := &hub.Hub{}
	addr := serve(t, h)
	s := newSwarm(t)
	err := s.Dial(t.Context(), addr, 1, subscribeTo("forbidden"))
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("forbidden topic: %v", err)
	}
	s = newSwarm(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Dial(ctx, addr, 1, subscribeTo("a")); err == nil {
		t.Error("dialled under an ended context")
	}
	s = newSwarm(t)
	if err := s.Dial(t.Context(), addr, 1, subscribeTo("a")); err != nil {
		t.Fatal(err)
	}
	h.CloseWith(1, 4410, "too slow")
	for range 100 {
		if _, err = s.Poll(20 * time.Millisecond); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "4410") {
		t.Errorf("close: %v", err)
	}
}

func TestClosedTellsWhoIsGone(t *testing.T) {
	h := &hub.Hub{}
	addr := serve(t, h)
	s := newSwarm(t)
	if err := s.Dial(t.Context(), addr, 3, subscribeTo("a")); err != nil {
		t.Fatal(err)
	}
	var gone []int
	s.Closed = func(i int, why error) error {
		if !strings.Contains(why.Error(), "4410") {
			t.Errorf("socket %d: %v", i, why)
		}
		gone = append(gone, i)
		return nil
	}
	h.CloseWith(1, 4410, "too slow")
	pollUntil(t, s, func() bool { return len(gone) > 0 })
	first := (gone[0] + 1) % 3 // the hub counts connections in another order
	if err := s.Hang((gone[0] + 2) % 3); err != nil {
		t.Fatal(err)
	}
	last, err := s.Open(addr, swarm.Greeting{Token: "t"})
	if err != nil || last != 3 {
		t.Fatalf("socket %d, %v", last, err)
	}
	got := make(map[int]int)
	s.Text = func(i int, text []byte) error {
		if bytes.HasPrefix(text, []byte(`{"type":"Pong"`)) {
			got[i]++
		}
		return nil
	}
	for len(got) < 2 {
		for _, i := range []int{first, last} {
			if err := s.Send(i, []byte(`{"type":"Ping","id":"p"}`)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Poll(20 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if len(gone) != 1 {
		t.Errorf("closed: %v", gone)
	}
}

func TestWhatIsNoAnswerIsPassedOnWhileGreeting(t *testing.T) {
	addr := serve(t, &hub.Hub{})
	s := newSwarm(t)
	told := 0
	s.Text = func(_ int, text []byte) error {
		if !bytes.Contains(text, []byte(`"user_id":"alice"`)) {
			return fmt.Errorf("told %s", text)
		}
		told++
		return nil
	}
	err := s.Dial(t.Context(), addr, 1, func(int) (swarm.Greeting, error) {
		return swarm.Greeting{Token: "alice", Messages: [][]byte{
			[]byte(`{"type":"WatchPresence","id":"w","data":{"users":["alice"]}}`),
			[]byte(`{"type":"SetPresence","id":"s","data":{"status":"away"}}`),
			[]byte(`{"type":"Ping","id":"p"}`),
		}}, nil
	})
	if err != nil || told != 1 {
		t.Errorf("told %d times, %v", told, err)
	}
}

func TestRawSocketsCountBytes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for range 3 {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write(make([]byte, 100))
			defer c.Close()
		}
		_, _ = l.Accept() // keeps the sockets open until the test ends
	}()
	s := newSwarm(t)
	total := 0
	s.Raw = func(_, n int) error { total += n; return nil }
	if err := s.DialRaw(t.Context(), netip.MustParseAddrPort(l.Addr().String()), 3); err != nil {
		t.Fatal(err)
	}
	pollUntil(t, s, func() bool { return total == 300 })
}
