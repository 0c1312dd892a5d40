package durable

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

func TestMain(m *testing.M) { streamtest.VerifyTestMain(m) }

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
	nc, _ := streamtest.Embedded(tb)
	return on(tb, nc)
}
