package cluster_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// ask sends one command to the cluster's Redis and returns the first line of the
// reply, and the second one where that is the value.
func ask(t *testing.T, c *cluster.Cluster, command string) string {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.Redis.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err == nil && line[0] == '$' {
		line, err = r.ReadString('\n')
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestRedisKeepsItsDataThroughAKill(t *testing.T) {
	c := cluster.StartTest(t, cluster.Spec{Redis: true})
	if got := ask(t, c, "SET greeting hello"); got != "+OK" {
		t.Fatalf("SET: %q", got)
	}
	pid := c.Redis.PID()
	if err := c.Redis.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Redis.Ready(t.Context()); err == nil {
		t.Error("ready while it is dead")
	}
	if err := c.Redis.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, c, "GET greeting"); got != "hello" || c.Redis.PID() == pid {
		t.Errorf("GET: %q", got)
	}
	if want := fmt.Sprintf("redis://127.0.0.1:%d", c.Redis.Port); c.RedisURL() != want {
		t.Errorf("REDIS_URL %q", c.RedisURL())
	}
	if ps := c.Processes(); len(ps) != 1 || ps[0].Role != cluster.Redis {
		t.Errorf("processes %v", ps)
	}
}

func TestAMissingRedisIsSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := cluster.Start(t.Context(), cluster.Spec{Redis: true})
	if err == nil || !strings.Contains(err.Error(), "redis-server is not installed") {
		t.Errorf("error %v", err)
	}
}

// The stand-in prints REDIS_URL, which every process must have.
func TestEveryProcessKnowsRedis(t *testing.T) {
	c := standIns(t, cluster.Spec{Redis: true, Gateways: 1, Routers: 1, All: 1})
	for _, p := range []*cluster.Process{c.Gateways[0], c.Routers[0], c.Alls[0]} {
		if !strings.Contains(p.LogTail(), "redis "+c.RedisURL()+"\n") {
			t.Errorf("%s was told\n%s", p.Name, p.LogTail())
		}
	}
}
