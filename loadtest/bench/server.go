//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// server is the binary under test.
type server struct {
	cluster *cluster.Cluster
	proc    *cluster.Process
	addr    netip.AddrPort
}

// startServer starts the whole cluster in one process. It has no limits in the
// way, and no heartbeat falls into a round.
func startServer(ctx context.Context, set settings) (*server, error) {
	c, err := cluster.Start(ctx, cluster.Spec{
		All:    1,
		Binary: set.binary,
		Env: append([]string{
			"RATE_LIMIT_ENABLED=false",
			"MAX_CONNECTIONS=1000000",
			"HEARTBEAT_INTERVAL=30m",
			"CLIENT_TIMEOUT=1h",
			"LOG_LEVEL=warn",
		}, set.env...),
	})
	if err != nil {
		return nil, err
	}
	p := c.Alls[0]
	return &server{
		cluster: c,
		proc:    p,
		addr:    netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(p.Port)),
	}, nil
}

// stop kills the server: how it ends is not measured here.
func (s *server) stop() error {
	if err := s.cluster.Close(); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	return nil
}
