package e2e_test

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

func launchAll(t *testing.T, env ...string) (p *process, addr string) {
	t.Helper()
	p = launch(t, append([]string{"JWT_SECRET=" + secret, "PORT=0", "DATA_DIR=" + filepath.Join(t.TempDir(), "data")}, env...))
	return p, p.address()
}

// TestStopTellsClients: they hear when to come back, then the close, and it is quick.
func TestStopTellsClients(t *testing.T) {
	t.Parallel()
	p, addr := launchAll(t)
	type end struct {
		status string
		code   int
	}
	ends := make(chan end, 20)
	for range cap(ends) {
		told := make(chan string, 10)
		c, err := client.Dial(t.Context(), "ws://"+addr+"/ws", mint(t, "alice"), client.Options{
			Other: func(m client.Message) { told <- m.Type + " " + m.Data },
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Subscribe(t.Context(), "chat.lobby"); err != nil {
			t.Fatal(err)
		}
		go func() {
			<-c.Done()
			close(told)
			ends <- end{<-told, c.CloseCode()}
		}()
	}
	p.terminate(5 * time.Second)
	want := regexp.MustCompile(`^Status {"status":"draining","details":{"reconnect_after_ms":\d+}}$`)
	for range cap(ends) {
		if e := <-ends; e.code != 1012 || !want.MatchString(e.status) {
			t.Errorf("told %q, closed %d", e.status, e.code)
		}
	}
	log := p.stderr.String()
	for _, want := range []string{`"msg":"stopping"`, `"signal":"terminated"`, `"msg":"draining"`, `"connections":20`, `"msg":"stopped"`} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in the log", want)
		}
	}
	if strings.Contains(log, `"level":"error"`) || strings.Contains(log, "stopped before") {
		t.Error("complaints in the log of an ordinary stop")
	}
}

// deaf is a connection that leaves the server's close unanswered.
func deaf(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, err = c.Write([]byte("GET /ws?token=" + mint(t, "eve") + " HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	readUntil(t, c, `"connected"`)
	return c
}

// readUntil reads until text has come.
func readUntil(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	for !strings.Contains(string(got), text) {
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if got = append(got, b[:n]...); err != nil {
			t.Fatalf("%v after %q, before %s", err, got, text)
		}
	}
}

// lingerTime is a little less than what a stop grants a client that does not answer its close.
const lingerTime = 1800 * time.Millisecond

const cutShort = "realtime: stopped before all was done: SHUTDOWN_TIMEOUT was over, or a second signal came\n"

// TestSecondSignal: who sends it wants the end now.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p, addr := launchAll(t)
	c := deaf(t, addr)
	p.signal(syscall.SIGTERM)
	readUntil(t, c, `"draining"`)
	p.signal(syscall.SIGTERM)
	if code := p.wait(lingerTime); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if !strings.HasSuffix(p.stderr.String(), cutShort) {
		t.Error("the end is not explained")
	}
}

// TestDeadline: SHUTDOWN_TIMEOUT holds whatever a client does.
func TestDeadline(t *testing.T) {
	t.Parallel()
	p, addr := launchAll(t, "DRAIN_PERIOD=0", "SHUTDOWN_TIMEOUT=200ms")
	deaf(t, addr)
	p.signal(syscall.SIGINT)
	if code := p.wait(lingerTime); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if !strings.HasSuffix(p.stderr.String(), cutShort) {
		t.Error("the end is not explained")
	}
}

// TestStopDuringStart: at any moment of it, a signal ends the process in good order.
func TestStopDuringStart(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for after := 50 * time.Millisecond; after < 2*time.Second; after *= 2 {
		p := launch(t, []string{"JWT_SECRET=" + secret, "PORT=0", "DATA_DIR=" + filepath.Join(t.TempDir(), "data")})
		wg.Go(func() {
			time.Sleep(after)
			p.endsQuietly()
		})
	}
}

// TestStopWhileWaitingForNATS: a server that is away, and one that says nothing.
func TestStopWhileWaitingForNATS(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, url := range []string{"nats://127.0.0.1:1", "nats://" + mute.Addr().String()} {
		for _, command := range []string{"gateway", "router", "presence"} {
			p := launch(t, []string{"JWT_SECRET=" + secret, "PORT=0", "NATS_URL=" + url, "NATS_CONNECT_TIMEOUT=1m"}, command)
			wg.Go(func() {
				time.Sleep(300 * time.Millisecond)
				p.endsQuietly()
			})
		}
	}
}

// endsQuietly sends SIGTERM and wants nothing of it to look like a failure. It may be
// called from any goroutine.
func (p *process) endsQuietly() {
	if p.cmd.Process.Signal(syscall.SIGTERM) != nil {
		p.t.Errorf("%s: ended by itself", p.cmd)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("%s: still runs %v after SIGTERM", p.cmd, patience)
		return
	}
	log := p.stderr.String()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 || strings.Contains(log, `"level":"error"`) || strings.Contains(log, "realtime:") {
		p.t.Errorf("%s: exit code %d and\n%s", p.cmd, code, log)
	}
}

// TestStopWithoutNATS: what cannot be handed over does not hold up a stop.
func TestStopWithoutNATS(t *testing.T) {
	t.Parallel()
	c := cluster.StartTest(t, cluster.Spec{NATS: 1, Gateways: 1, Routers: 1, Presences: 1, Binary: binary})
	bob := dial(t, c, "bob", client.Options{})
	if _, err := bob.Subscribe(t.Context(), "chat.lobby"); err != nil {
		t.Fatal(err)
	}
	if err := c.NATS[0].Kill(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, p := range []*cluster.Process{c.Gateways[0], c.Routers[0], c.Presences[0]} {
		await(t, host(p), "/readyz", 503)
		wg.Go(func() { stop(t, p, 10*time.Second) })
	}
	wg.Wait()
	<-bob.Done()
	if bob.CloseCode() != 1012 {
		t.Errorf("closed %d", bob.CloseCode())
	}
}
