//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/usage"
)

// server is one process whose CPU and memory is looked at.
type server struct {
	name, role string
	pid        int
}

// use is what processes used up to a moment, and hold at it.
type use struct {
	cpu []time.Duration // by process
	rss []int64
}

// look reads it. A process that has ended keeps what was read of it last, and holds no memory.
func look(list []server, last *use) *use {
	u := &use{cpu: make([]time.Duration, len(list)), rss: make([]int64, len(list))}
	for i, s := range list {
		var err error
		if u.cpu[i], err = usage.CPU(s.pid); err != nil && last != nil {
			u.cpu[i] = last.cpu[i]
		}
		u.rss[i], _ = usage.Resident(s.pid) // 0 when it has ended
	}
	return u
}

func (u *use) allCPU() (all time.Duration) {
	for _, d := range u.cpu {
		all += d
	}
	return all
}

func (u *use) allRSS() (all int64) {
	for _, n := range u.rss {
		all += n
	}
	return all
}

// startServers starts what -start says. They have no limits in the way.
func startServers(ctx context.Context, s *settings, descriptors uint64) (*cluster.Cluster, error) {
	spec := *s.start
	spec.Binary, spec.Secret, spec.LogDir = s.binary, s.secret, s.logs
	if spec.Secret == "" {
		spec.Secret = "load-secret-of-thirty-two-bytes-or-more"
	}
	spec.ReadyTimeout = time.Minute
	spec.Env = append([]string{
		"RATE_LIMIT_ENABLED=false",
		// A gateway needs some descriptors for other things than clients.
		fmt.Sprintf("MAX_CONNECTIONS=%d", min(max(descriptors-min(descriptors, 1000), descriptors/2), 1_000_000)),
		"LOG_LEVEL=warn",
	}, s.env...)
	c, err := cluster.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	s.secret = spec.Secret
	s.urls = c.WS()
	for _, p := range c.Processes() {
		s.pids = append(s.pids, server{name: p.Name, role: string(p.Role), pid: p.PID()})
	}
	return c, nil
}

// resolve turns URLs into addresses and paths.
func resolve(ctx context.Context, urls []string) (addrs []netip.AddrPort, paths []string, err error) {
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			return nil, nil, fmt.Errorf("-url: %w", err)
		}
		if u.Scheme != "ws" || u.Host == "" {
			return nil, nil, fmt.Errorf("-url %q: not of the form ws://host:port/ws", text)
		}
		port := 80
		if u.Port() != "" {
			if port, err = net.DefaultResolver.LookupPort(ctx, "tcp", u.Port()); err != nil {
				return nil, nil, fmt.Errorf("-url %q: %w", text, err)
			}
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", u.Hostname())
		if err != nil {
			return nil, nil, fmt.Errorf("-url %q: %w", text, err)
		}
		path := u.Path
		if path == "" {
			path = "/ws"
		}
		addrs = append(addrs, netip.AddrPortFrom(ips[0].Unmap(), uint16(port)))
		paths = append(paths, path)
	}
	return addrs, paths, nil
}

// source is the address from which a worker connects, when all targets are on this machine: a pair of addresses and a
// port of the target have 28,000 ports of the source.
func source(worker int, targets []netip.AddrPort) netip.Addr {
	for _, t := range targets {
		if !t.Addr().IsLoopback() {
			return netip.Addr{}
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 1, byte(1 + worker%250)})
}
