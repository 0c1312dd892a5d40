package backbone

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// deadAddress is an address on which nobody listens.
func deadAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestReconnect(t *testing.T) {
	dir := t.TempDir()
	e := embedded(t, dir, AnyPort)
	addr, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(e.URL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.InfoLevel)
	cfg, reg := conf(e.URL())
	cfg.Log = zap.New(core)
	nc, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("a")
	if err != nil {
		t.Fatal(err)
	}

	e.Shutdown()
	eventually(t, 5*time.Second, "a disconnect", func() bool { return value(t, reg, "realtime_nats_connected") == 0 })
	if err := nc.Publish("a", nil); !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("publish while away: %v, want an error at once", err)
	}
	embedded(t, dir, addr.Port)
	eventually(t, time.Second, "a reconnect", nc.IsConnected)

	if err := nc.Publish("a", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := sub.NextMsg(5 * time.Second); err != nil {
		t.Fatalf("the subscription did not come back: %v", err)
	}
	if n := value(t, reg, "realtime_nats_reconnects_total"); n != 1 {
		t.Errorf("%v reconnects counted, want 1", n)
	}
	for _, message := range []string{"NATS connection lost", "NATS connection restored"} {
		eventually(t, time.Second, message, func() bool { return logs.FilterMessage(message).Len() == 1 })
	}

	out := value(t, reg, "realtime_nats_out_messages_total")
	nc.Close()
	eventually(t, time.Second, "the end", func() bool { return value(t, reg, "realtime_nats_connected") == 0 })
	if n := value(t, reg, "realtime_nats_out_messages_total"); n != out {
		t.Errorf("a closed connection's count went from %v to %v", out, n)
	}
	if n := value(t, reg, "realtime_nats_errors_total"); n != 1 {
		t.Errorf("%v errors counted, want the one lost connection", n)
	}
}

// TestFailover: one server of two dies.
func TestFailover(t *testing.T) {
	servers := map[string]*Embedded{}
	var urls []string
	for range 2 {
		e := embedded(t, t.TempDir(), AnyPort)
		servers[e.URL()] = e
		urls = append(urls, e.URL())
	}
	cfg, _ := conf(urls...)
	nc, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	before := nc.ConnectedUrl()
	servers[before].Shutdown()
	eventually(t, time.Second, "a connection to the other server", func() bool {
		return nc.IsConnected() && nc.ConnectedUrl() != before
	})
}

func TestConnectWaits(t *testing.T) {
	dir, addr := t.TempDir(), deadAddress(t)
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan *Embedded, 1)
	time.AfterFunc(300*time.Millisecond, func() {
		e, err := StartEmbedded(EmbeddedConfig{DataDir: dir, Port: tcp.Port, Log: zap.NewNop()})
		if err != nil {
			t.Error(err)
		}
		started <- e
	})
	cfg, _ := conf("nats://" + addr)
	cfg.ConnectTimeout = 10 * time.Second
	nc, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	(<-started).Shutdown()
}

func TestUnreachable(t *testing.T) {
	addr := deadAddress(t)
	cfg, _ := conf("nats://user:hunter2@"+addr, "nats://token@"+addr)
	cfg.ConnectTimeout = 250 * time.Millisecond
	begin := time.Now()
	_, err := Connect(t.Context(), cfg)
	want := "NATS_URL: cannot reach nats://" + addr + ", nats://" + addr + " within 250ms: connection refused"
	if err == nil || err.Error() != want {
		t.Fatalf("\n got %v\nwant %s", err, want)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("gave up after %v, want about 250ms", took)
	}
}

func TestConnectEndsWithContext(t *testing.T) {
	cfg, _ := conf("nats://" + deadAddress(t))
	cfg.ConnectTimeout = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Connect(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v", err)
	}
}

// TestRefused: a wrong password ends the wait at once and is not repeated.
func TestRefused(t *testing.T) {
	ns, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: AnyPort, Username: "user", Password: "right", NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	addr := ns.Addr().String()

	cfg, _ := conf("nats://user:hunter2@" + addr)
	cfg.ConnectTimeout = time.Minute
	_, err = Connect(t.Context(), cfg)
	want := "NATS_URL: nats://" + addr + " refused the credentials: nats: authorization violation"
	if err == nil || !strings.EqualFold(err.Error(), want) {
		t.Fatalf("\n got %v\nwant %s", err, want)
	}
}

func TestBadURLIsNotRepeated(t *testing.T) {
	cfg, _ := conf("nats://user:hunt er2@host:x")
	cfg.ConnectTimeout = 0
	if _, err := Connect(t.Context(), cfg); err == nil || strings.Contains(err.Error(), "er2") {
		t.Fatalf("error %v", err)
	}
}

// TestSlowConsumer: thousands of errors are counted, a few are logged.
func TestSlowConsumer(t *testing.T) {
	e := embedded(t, t.TempDir(), 0)
	core, logs := observer.New(zapcore.InfoLevel)
	cfg, reg := conf()
	cfg.Server, cfg.Log = e, zap.New(core)
	nc, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()

	sub, err := nc.SubscribeSync("slow")
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.SetPendingLimits(1, 1<<20); err != nil {
		t.Fatal(err)
	}
	const rounds = 10
	for range rounds { // the client reports once, until the subscription has caught up
		for range 3 {
			if err := nc.Publish("slow", nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := sub.NextMsg(50 * time.Millisecond); errors.Is(err, nats.ErrTimeout) {
				break
			}
		}
	}
	eventually(t, time.Second, "ten errors", func() bool { return value(t, reg, "realtime_nats_errors_total") == rounds })
	lines := logs.FilterMessage("NATS error").All()
	if len(lines) != 4 { // the 1st, 2nd, 4th and 8th
		t.Errorf("%d lines logged, want 4", len(lines))
	}
	if got := lines[0].ContextMap()["subject"]; got != "slow" {
		t.Errorf("subject %v", got)
	}
}
