//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// redisBytes is what a Redis has allocated (used_memory of INFO), the buffers of its clients included.
func redisBytes(ctx context.Context, p *cluster.Process) (int64, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.Port))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte("INFO memory\r\n")); err != nil {
		return 0, fmt.Errorf("ask redis: %w", err)
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "used_memory:"); ok {
			return strconv.ParseInt(v, 10, 64)
		}
	}
	return 0, fmt.Errorf("ask redis: no used_memory: %w", lines.Err())
}
