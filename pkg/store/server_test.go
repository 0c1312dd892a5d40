package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is a process redis-server that ends with its test.
type server struct {
	t    testing.TB
	args []string
	port string
	cmd  *exec.Cmd
	out  bytes.Buffer
}

// startServer starts a redis-server on a free port of loopback, with the given options beside.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t)}
	s.args = append([]string{"--port", s.port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--loglevel", "warning"}, args...)
	s.start()
	t.Cleanup(s.kill)
	return s
}

// startSentinel starts a sentinel of quorum 1 that watches master by the name m.
func startSentinel(t testing.TB, master *server) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t)}
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	conf := fmt.Sprintf(`port %s
bind 127.0.0.1
sentinel monitor m 127.0.0.1 %s 1
sentinel down-after-milliseconds m 300
sentinel failover-timeout m 2000
`, s.port, master.port)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{file, "--sentinel"}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("these tests need redis-server, from the package redis-server of Debian and Ubuntu or https://redis.io: .ci/tools installs it")
	}
	s.cmd = exec.Command(path, s.args...)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = &s.out, &s.out, childAttr()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := s.client()
	defer client.Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		err := client.Ping(context.Background()).Err()
		if err == nil || redis.HasErrorPrefix(err, "NOAUTH") {
			return
		}
		if time.Now().After(end) {
			s.kill()
			s.t.Fatalf("redis-server %v does not answer:\n%s", s.args, s.out.String())
		}
	}
}

// kill is kill -9.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) signal(sig syscall.Signal) {
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) addr() string { return "127.0.0.1:" + s.port }
func (s *server) url() string  { return "redis://" + s.addr() }

// client is one of its own, which answers at once.
func (s *server) client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.addr(), DialerRetries: 1, MaxRetries: -1})
}

// do sends commands, each a line.
func (s *server) do(commands ...string) {
	s.t.Helper()
	client := s.client()
	defer client.Close()
	for _, command := range commands {
		var args []any
		for _, word := range strings.Fields(command) {
			args = append(args, word)
		}
		if err := client.Do(context.Background(), args...).Err(); err != nil {
			s.t.Fatalf("%s: %v", command, err)
		}
	}
}

// startCluster starts n masters that share the slots.
func startCluster(t testing.TB, n int) []*server {
	t.Helper()
	var nodes []*server
	for i := range n {
		bus := freePort(t)
		s := startServer(t, "--cluster-enabled", "yes", "--cluster-port", bus)
		const slots = 16384
		s.do(fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", i*slots/n, (i+1)*slots/n-1), fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1))
		if i > 0 {
			nodes[0].do("CLUSTER MEET 127.0.0.1 " + s.port + " " + bus)
		}
		nodes = append(nodes, s)
	}
	for _, s := range nodes {
		client := s.client()
		defer client.Close()
		eventually(t, 20*time.Second, "the cluster is whole", func() bool {
			info := client.ClusterInfo(context.Background()).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(n))
		})
	}
	return nodes
}

// freePort is a port that no connection gets for its own end: a server that is restarted finds it free still.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(12_000 + rand.IntN(20_000)) // Linux gives connections those from 32768 on
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// startReplicated starts a master, a replica that follows it, and a sentinel that knows both.
func startReplicated(t *testing.T) (master, replica, sentinel *server) {
	t.Helper()
	master = startServer(t, "--repl-diskless-sync-delay", "0")
	replica = startServer(t, "--replicaof", "127.0.0.1 "+master.port)
	client := replica.client()
	defer client.Close()
	eventually(t, 10*time.Second, "the replica follows", func() bool {
		return strings.Contains(client.Info(context.Background(), "replication").Val(), "master_link_status:up")
	})
	sentinel = startSentinel(t, master)
	known := sentinel.client()
	defer known.Close()
	eventually(t, 15*time.Second, "the sentinel knows the replica", func() bool {
		return strings.Contains(known.Info(context.Background(), "sentinel").Val(), "slaves=1")
	})
	return master, replica, sentinel
}
