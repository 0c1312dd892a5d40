package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// startNATS starts servers that know each other, some with JetStream and some without, and waits
// until each has a route to every other and JetStream has a leader.
func (c *Cluster) startNATS(ctx context.Context, with, without int) error {
	n := with + without
	if n == 0 {
		return nil
	}
	path, err := NATSBinary(ctx)
	if err != nil {
		return err
	}
	ports, err := freePorts(3 * n)
	if err != nil {
		return err
	}
	client, route, monitor := ports[:n], ports[n:2*n], ports[2*n:]
	routes := make([]string, n)
	for i, port := range route {
		routes[i] = fmt.Sprintf("nats://127.0.0.1:%d", port)
	}
	config := filepath.Join(c.dir, "nats.conf")
	if err := os.WriteFile(config, []byte(c.spec.NATSConfig), 0o644); err != nil {
		return fmt.Errorf("start NATS: %w", err)
	}
	for i := range n {
		name, list := fmt.Sprintf("nats-%d", i+1), &c.NATS
		if i >= with {
			name, list = fmt.Sprintf("nats-core-%d", i-with+1), &c.Cores
		}
		args := []string{
			"-n", name, "-a", "127.0.0.1", "-p", fmt.Sprint(client[i]),
			"-m", fmt.Sprint(monitor[i]),
		}
		if i < with {
			args = append(args, "-js", "-sd", c.data(name))
		}
		if c.spec.NATSConfig != "" {
			args = append(args, "-c", config)
		}
		if n > 1 {
			args = append(args, "-cluster_name", "loadtest", "-cluster", routes[i], "-routes", strings.Join(routes, ","))
			if c.spec.Links {
				// Else clients learn of addresses that go past their links.
				args = append(args, "--no_advertise=true")
			}
		}
		*list = append(*list, &Process{
			Name: name, Role: NATS, Port: client[i], monitor: monitor[i],
			LogFile: c.logFile(name), path: path, args: args, env: baseEnv(),
			timeout: c.spec.ReadyTimeout,
			ready:   func(ctx context.Context, p *Process) error { return natsReady(ctx, p, n) },
		})
	}
	// None gets ready without the others.
	return startAll(ctx, append(slices.Clone(c.NATS), c.Cores...))
}

func natsReady(ctx context.Context, p *Process, n int) error {
	base := fmt.Sprintf("http://127.0.0.1:%d", p.monitor)
	if _, err := get(ctx, base+"/healthz"); err != nil {
		return err
	}
	if n == 1 {
		return nil
	}
	body, err := get(ctx, base+"/routez")
	if err != nil {
		return err
	}
	// A pair of servers holds a pool of routes.
	peers := make(map[string]bool)
	for _, id := range gjson.GetBytes(body, "routes.#.remote_id").Array() {
		peers[id.Str] = true
	}
	if len(peers) < n-1 {
		return fmt.Errorf("%d of %d routes", len(peers), n-1)
	}
	if body, err = get(ctx, base+"/jsz"); err != nil {
		return err
	}
	if !gjson.GetBytes(body, "disabled").Bool() && gjson.GetBytes(body, "meta_cluster.leader").Str == "" {
		return fmt.Errorf("JetStream has no leader yet")
	}
	return nil
}

// StreamLeader is the NATS server that leads the JetStream stream of the given
// name: without it nothing is written there until another is elected, which
// takes NATS 4 to 9 s.
func (c *Cluster) StreamLeader(ctx context.Context, stream string) (*Process, error) {
	for _, p := range c.NATS {
		if !p.Running() {
			continue
		}
		body, err := get(ctx, fmt.Sprintf("http://127.0.0.1:%d/jsz?streams=true", p.monitor))
		if err != nil {
			return nil, err
		}
		for _, s := range gjson.GetBytes(body, "account_details.#.stream_detail|@flatten").Array() {
			// What a server says of a stream that it does not lead may be old.
			if s.Get("name").Str == stream && s.Get("cluster.leader").Str == p.Name {
				return p, nil
			}
		}
	}
	return nil, fmt.Errorf("no NATS server leads the stream %q", stream)
}
