package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/realtime-cluster/realtime/loadtest/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server that echoes, and a proxy to it.
func start(t *testing.T) *proxy.Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := proxy.Listen(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			})
		}
	})
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		wg.Wait()
	})
	return p
}

type peer struct {
	net.Conn
	*bufio.Reader
}

func dial(t *testing.T, p *proxy.Proxy) peer {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return peer{conn, bufio.NewReader(conn)}
}

// attempt is say on a new connection, which may end as soon as it is there.
func attempt(p *proxy.Proxy) error {
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	return peer{conn, bufio.NewReader(conn)}.say("hello", long)
}

// say sends a line and waits for its echo.
func (c peer) say(line string, patience time.Duration) error {
	if _, err := io.WriteString(c.Conn, line+"\n"); err != nil {
		return err
	}
	return c.hear(line, patience)
}

func (c peer) hear(line string, patience time.Duration) error {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	got, err := c.ReadString('\n')
	if err == nil && got != line+"\n" {
		err = errors.New("heard " + got)
	}
	return err
}

const long, short = 5 * time.Second, 50 * time.Millisecond

func TestForwardsBothWaysAndTheEnd(t *testing.T) {
	c := dial(t, start(t))
	if err := c.say("one", long); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c.Conn, "two\n")
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	if err := c.hear("two", long); err != nil {
		t.Error(err)
	}
	if _, err := c.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestPauseHoldsBackAndLosesNothing(t *testing.T) {
	p := start(t)
	c := dial(t, p)
	if err := c.say("one", long); err != nil {
		t.Fatal(err)
	}
	p.Pause()
	p.Pause()
	if err := c.say("two", short); !timedOut(err) {
		t.Errorf("while paused: %v", err)
	}
	late := dial(t, p)
	if err := late.say("hello", short); !timedOut(err) {
		t.Errorf("a new connection, while paused: %v", err)
	}
	p.Resume()
	p.Resume()
	if err := c.hear("two", long); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	if err := late.hear("hello", long); err != nil {
		t.Errorf("the new connection, after the pause: %v", err)
	}
}

func TestResetEndsAllAndNotTheNext(t *testing.T) {
	p := start(t)
	a, b := dial(t, p), dial(t, p)
	for _, c := range []peer{a, b} {
		if err := c.say("one", long); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Reset(); n != 2 {
		t.Errorf("%d connections were reset", n)
	}
	for _, c := range []peer{a, b} {
		if err := c.hear("", long); err == nil || timedOut(err) {
			t.Errorf("after the reset: %v", err)
		}
	}
	if err := dial(t, p).say("three", long); err != nil {
		t.Error(err)
	}
	if p.Total() != 3 {
		t.Errorf("%d connections in all", p.Total())
	}
}

func TestResetEndsWhatIsPaused(t *testing.T) {
	p := start(t)
	c := dial(t, p)
	if err := c.say("one", long); err != nil {
		t.Fatal(err)
	}
	p.Pause()
	_ = c.say("two", short)
	p.Reset()
	if err := c.hear("", long); err == nil || timedOut(err) {
		t.Errorf("after the reset: %v", err)
	}
}

func TestRefusedConnectionsAreReset(t *testing.T) {
	p := start(t)
	old := dial(t, p)
	if err := old.say("one", long); err != nil {
		t.Fatal(err)
	}
	p.Refuse(true)
	if err := attempt(p); err == nil || timedOut(err) {
		t.Errorf("refused: %v", err)
	}
	if err := old.say("three", long); err != nil {
		t.Errorf("one from before: %v", err)
	}
	p.Refuse(false)
	if err := dial(t, p).say("four", long); err != nil {
		t.Error(err)
	}
}

func TestAServerThatIsAwayEndsTheConnection(t *testing.T) {
	p, err := proxy.Listen("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	if err := attempt(p); err == nil || timedOut(err) {
		t.Errorf("nobody there: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func timedOut(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
