// Package streamtest starts NATS servers with JetStream for tests, in their process.
package streamtest

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/backbone"
)

// Cluster is a NATS cluster. What it starts ends with the test.
type Cluster struct {
	options []*server.Options

	mu      sync.Mutex
	running []*server.Server // guarded by mu; nil: stopped
}

// Start starts n servers, 1 for one without a cluster, and returns when JetStream has a leader.
func Start(tb testing.TB, n int) *Cluster {
	tb.Helper()
	c := &Cluster{running: make([]*server.Server, n)}
	ports := freePorts(tb, 2*n)
	var routes []*url.URL
	for i := range n {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[i])})
	}
	for i := range n {
		o := &server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: ports[n+i], NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: tb.TempDir(),
		}
		if n > 1 {
			o.Cluster, o.Routes = server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: ports[i]}, routes
		}
		c.options = append(c.options, o)
	}
	tb.Cleanup(func() {
		for i := range n {
			c.Stop(i)
		}
	})
	for i := range n {
		c.Restart(tb, i)
	}
	Eventually(tb, 20*time.Second, "a leader", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.ContainsFunc(c.running, func(ns *server.Server) bool { return ns.JetStreamIsLeader() || n == 1 && ns.Running() })
	})
	return c
}

func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// Restart starts a server that was stopped, with what it had stored.
func (c *Cluster) Restart(tb testing.TB, i int) {
	tb.Helper()
	ns, err := server.NewServer(c.options[i].Clone())
	if err != nil {
		tb.Fatal(err)
	}
	ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		tb.Fatal("a server does not get ready")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[i] = ns
}

// Running is a server, nil when it is stopped.
func (c *Cluster) Running(i int) *server.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running[i]
}

// Stop stops a server, if it runs.
func (c *Cluster) Stop(i int) {
	ns := c.Running(i)
	if ns == nil {
		return
	}
	ns.Shutdown()
	ns.WaitForShutdown()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[i] = nil
}

// Leader is the server that leads a stream, -1 if there is none.
func (c *Cluster) Leader(stream string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.IndexFunc(c.running, func(ns *server.Server) bool {
		return ns != nil && ns.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream)
	})
}

// Connect connects to any of the servers.
func (c *Cluster) Connect(tb testing.TB) *nats.Conn {
	tb.Helper()
	var urls []string
	for _, o := range c.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	return connect(tb, urls...)
}

func connect(tb testing.TB, urls ...string) *nats.Conn {
	tb.Helper()
	nc, err := backbone.Connect(tb.Context(), backbone.ConnConfig{
		URLs: urls, ConnectTimeout: 5 * time.Second, Metrics: backbone.NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nc.Close)
	return nc
}

// Embedded starts the server that a process has of its own and connects to it, in process.
func Embedded(tb testing.TB) (*nats.Conn, *backbone.Embedded) {
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

// Eventually waits until something holds.
func Eventually(tb testing.TB, within time.Duration, what string, holds func() bool) {
	tb.Helper()
	for end := time.Now().Add(within); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("not within %v: %s", within, what)
		}
	}
}
