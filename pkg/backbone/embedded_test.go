package backbone

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

func TestEmbeddedInProcess(t *testing.T) {
	e := embedded(t, t.TempDir(), 0)
	if e.URL() != "" {
		t.Errorf("listens on %s, want in-process only", e.URL())
	}
	cfg, reg := conf()
	cfg.Server = e
	nc, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()

	sub, err := nc.SubscribeSync("a.b")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish("a.b", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	msg, err := sub.NextMsgWithContext(t.Context())
	if err != nil || string(msg.Data) != "hello" {
		t.Fatalf("got %v, %v", msg, err)
	}
	for name, want := range map[string]float64{
		"realtime_nats_connected":          1,
		"realtime_nats_in_bytes_total":     5,
		"realtime_nats_in_messages_total":  1,
		"realtime_nats_out_bytes_total":    5,
		"realtime_nats_out_messages_total": 1,
		"realtime_nats_errors_total":       0,
	} {
		if got := value(t, reg, name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

func TestEmbeddedKeepsData(t *testing.T) {
	dir := t.TempDir()
	stream := func(e *Embedded, write bool) uint64 {
		cfg, _ := conf()
		cfg.Server = e
		nc, err := Connect(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		s, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
		if err != nil {
			t.Fatal(err)
		}
		if write {
			if _, err := js.Publish(t.Context(), "s.a", []byte("kept")); err != nil {
				t.Fatal(err)
			}
		}
		info, err := s.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs
	}
	first := embedded(t, dir, 0)
	if n := stream(first, true); n != 1 {
		t.Fatalf("%d messages stored, want 1", n)
	}
	first.Shutdown()
	if n := stream(embedded(t, dir, 0), false); n != 1 {
		t.Fatalf("%d messages after a restart, want 1", n)
	}
}

// TestEmbeddedSyncs: what that is good for, loadtest/powercut shows.
func TestEmbeddedSyncs(t *testing.T) {
	for _, always := range []bool{false, true} {
		e, err := StartEmbedded(EmbeddedConfig{DataDir: t.TempDir(), SyncAlways: always, Log: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		if got := e.server.JetStreamConfig().SyncAlways; got != always {
			t.Errorf("JetStream has %v, want %v", got, always)
		}
		e.Shutdown()
	}
}

func TestEmbeddedErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	port := busy.Addr().(*net.TCPAddr).Port

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	used := t.TempDir()
	embedded(t, used, 0)

	tests := []struct {
		name, dir string
		port      int
		want      string
	}{
		{"busy port", t.TempDir(), port, "EMBEDDED_NATS_PORT: " + busy.Addr().String() + " is already in use"},
		{"a file is in the way", file, 0, "DATA_DIR: cannot make " + file + "/nats: not a directory"},
		{"a server has it", used, 0, "DATA_DIR: " + used + "/nats is in use by another process"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := StartEmbedded(EmbeddedConfig{DataDir: tt.dir, Port: tt.port, Log: zap.NewNop()})
			if err == nil || err.Error() != tt.want {
				t.Fatalf("\n got %v\nwant %s", err, tt.want)
			}
		})
	}
	// Whoever failed has let go of its directory.
	again := tests[0].dir
	embedded(t, again, AnyPort)
}

func TestEmbeddedBadStore(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "nats"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nats", "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartEmbedded(EmbeddedConfig{DataDir: dir, Log: zap.NewNop()})
	if err == nil || !strings.HasPrefix(err.Error(), "embedded NATS: Can't start JetStream: ") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error %v", err)
	}
}
