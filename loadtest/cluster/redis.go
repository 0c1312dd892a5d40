package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

var errNoRedis = errors.New("redis-server is not installed: it comes with the package redis-server of Debian and Ubuntu, or from https://redis.io; make test installs it")

// startRedis starts a server that has written to disk whatever it acknowledged,
// and waits until it answers.
func (c *Cluster) startRedis(ctx context.Context) error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return errNoRedis
	}
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	name := "redis-1"
	dir := filepath.Join(c.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c.Redis = &Process{
		Name: name, Role: Redis, Port: ports[0], LogFile: c.logFile(name),
		path: path,
		args: []string{
			"--port", fmt.Sprint(ports[0]), "--bind", "127.0.0.1", "--dir", dir,
			"--save", "", "--appendonly", "yes", "--appendfsync", "always",
		},
		env: baseEnv(), timeout: c.spec.ReadyTimeout, ready: redisReady,
	}
	return startAll(ctx, []*Process{c.Redis})
}

// RedisURL is what the setting REDIS_URL wants, or "" without a Redis.
func (c *Cluster) RedisURL() string {
	if c.Redis == nil {
		return ""
	}
	return fmt.Sprintf("redis://127.0.0.1:%d", c.Redis.Port)
}

// redisReady asks for a PONG, which a server that is still loading its data
// denies.
func redisReady(ctx context.Context, p *Process) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.Port))
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	if line = strings.TrimSpace(line); line != "+PONG" {
		return fmt.Errorf("ping redis: %s", line)
	}
	return nil
}
