package durable

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/backbone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect connects to an embedded server of its own.
func connect(tb testing.TB) (*nats.Conn, *backbone.Embedded) {
	tb.Helper()
	e, err := backbone.StartEmbedded(backbone.EmbeddedConfig{DataDir: tb.TempDir(), Log: zap.NewNop()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Shutdown)
	nc, err := backbone.Connect(tb.Context(), backbone.ConnConfig{Server: e, Metrics: backbone.NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nc.Close)
	return nc, e
}

// on makes Rooms over a connection.
func on(tb testing.TB, nc *nats.Conn) *Rooms {
	tb.Helper()
	r, err := New(Config{Conn: nc, Timeout: 10 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// single makes Rooms over an embedded server.
func single(tb testing.TB) *Rooms {
	tb.Helper()
	nc, _ := connect(tb)
	return on(tb, nc)
}
