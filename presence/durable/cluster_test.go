package durable

import (
	"errors"
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
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/realtime-cluster/realtime/pkg/backbone"
)

// servers are a NATS cluster in this process.
type servers struct {
	options []*server.Options
	running []*server.Server // nil: stopped
}

// startCluster starts n servers and returns when they have a leader.
func startCluster(tb testing.TB, n int) *servers {
	tb.Helper()
	c := &servers{running: make([]*server.Server, n)}
	ports := freePorts(tb, 2*n)
	var routes []*url.URL
	for i := range n {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[i])})
	}
	for i := range n {
		c.options = append(c.options, &server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: ports[n+i], NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: tb.TempDir(),
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: ports[i]},
			Routes:  routes,
		})
	}
	tb.Cleanup(func() {
		for i := range c.running {
			c.stop(i)
		}
	})
	for i := range n {
		c.start(tb, i)
	}
	eventually(tb, 20*time.Second, "a leader", func() bool {
		return slices.ContainsFunc(c.running, (*server.Server).JetStreamIsLeader)
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

func (c *servers) start(tb testing.TB, i int) {
	tb.Helper()
	ns, err := server.NewServer(c.options[i].Clone())
	if err != nil {
		tb.Fatal(err)
	}
	ns.Start()
	c.running[i] = ns
}

func (c *servers) stop(i int) {
	if ns := c.running[i]; ns != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
		c.running[i] = nil
	}
}

// leader is the server that leads the bucket, -1 if there is none.
func (c *servers) leader() int {
	return slices.IndexFunc(c.running, func(ns *server.Server) bool {
		return ns != nil && ns.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream)
	})
}

func (c *servers) connect(tb testing.TB) *nats.Conn {
	tb.Helper()
	var urls []string
	for _, o := range c.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	nc, err := backbone.Connect(tb.Context(), backbone.ConnConfig{
		URLs: urls, ConnectTimeout: 5 * time.Second, Metrics: backbone.NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nc.Close)
	return nc
}

func eventually(tb testing.TB, within time.Duration, what string, holds func() bool) {
	tb.Helper()
	for end := time.Now().Add(within); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("not within %v: %s", within, what)
		}
	}
}

// ready waits until the bucket of a new cluster can be written.
func ready(tb testing.TB, r *Rooms) {
	tb.Helper()
	var err error
	eventually(tb, 20*time.Second, "a writable bucket", func() bool {
		err = r.AddUserRoom(tb.Context(), "somebody", "some room")
		return err == nil
	})
}

func (c *servers) rooms(tb testing.TB) *Rooms {
	tb.Helper()
	r := on(tb, c.connect(tb))
	ready(tb, r)
	return r
}

// TestReplicas: three of three servers, or else one with a line in the log.
func TestReplicas(t *testing.T) {
	placed := func(t *testing.T, nc *nats.Conn, n int, patience time.Duration, lines int) {
		t.Helper()
		core, logs := observer.New(zapcore.InfoLevel)
		r, err := New(Config{Conn: nc, Log: zap.New(core), Timeout: 5 * time.Second})
		ok(t, err)
		r.opener.patience = patience
		ready(t, r)
		if got := r.opener.current().stream.CachedInfo().Config.Replicas; got != n {
			t.Errorf("%d replicas, want %d", got, n)
		}
		if logs.Len() != lines {
			t.Errorf("logged %v, want %d lines", logs.All(), lines)
		}
		// The next one finds it as it is.
		other, err := New(Config{Conn: nc, Replicas: 2, Timeout: 5 * time.Second})
		ok(t, err)
		ready(t, other)
		if got := other.opener.current().stream.CachedInfo().Config.Replicas; got != n {
			t.Errorf("%d replicas found, want %d", got, n)
		}
	}
	t.Run("embedded", func(t *testing.T) {
		nc, _ := connect(t)
		placed(t, nc, 1, time.Hour, 1)
	})
	t.Run("two servers", func(t *testing.T) {
		placed(t, startCluster(t, 2).connect(t), 1, 500*time.Millisecond, 1)
	})
	t.Run("three servers", func(t *testing.T) {
		placed(t, startCluster(t, 3).connect(t), 3, time.Hour, 0)
	})
	t.Run("as told", func(t *testing.T) {
		r, err := New(Config{Conn: startCluster(t, 3).connect(t), Replicas: 1, Timeout: 5 * time.Second})
		ok(t, err)
		ready(t, r)
		if got := r.opener.current().stream.CachedInfo().Config.Replicas; got != 1 {
			t.Errorf("%d replicas", got)
		}
	})
}

// TestOpenedByMany: processes that start at the same moment.
func TestOpenedByMany(t *testing.T) {
	c := startCluster(t, 3)
	var wg sync.WaitGroup
	for range 4 {
		r := on(t, c.connect(t))
		for range 2 {
			wg.Go(func() {
				if _, err := r.Load(t.Context(), "nothing"); !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
}

// TestReadYourWrites: a load sees what was acknowledged, whichever replica answers.
func TestReadYourWrites(t *testing.T) {
	c := startCluster(t, 3)
	writer, reader := c.rooms(t), c.rooms(t)
	room := Room{Name: "r", Owner: "alice", Members: map[string]Member{}}
	for {
		if err := writer.Create(t.Context(), &room); err == nil {
			break
		}
	}
	rev := room.Revision
	var err error
	for i := range 300 {
		user := fmt.Sprint("user", i%20)
		if i/20%2 == 0 {
			rev, err = writer.Put(t.Context(), "r", rev, user, Member{Version: uint64(i)})
			room.Members[user] = Member{Version: uint64(i)}
		} else {
			rev, err = writer.Drop(t.Context(), "r", rev, user)
			delete(room.Members, user)
		}
		ok(t, err)
		if got := want(t, reader, room); got != rev {
			t.Fatalf("loaded at %d, want %d", got, rev)
		}
	}
}
