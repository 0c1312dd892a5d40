package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// Cluster is a set of running processes.
type Cluster struct {
	spec   Spec
	binary string
	dir    string // data of NATS servers, Redis and nodes, and the logs unless Spec.LogDir

	proxies    sync.WaitGroup // of the links
	endProxies context.CancelFunc
	ctx        context.Context // of the proxies: until Close

	mu sync.Mutex // guards the lists while Add runs; read them when it does not

	Redis     *Process // nil without Spec.Redis
	NATS      []*Process
	Cores     []*Process
	Gateways  []*Process
	Routers   []*Process
	Presences []*Process
	Alls      []*Process
}

// Start builds what is missing, starts all processes of spec and waits until
// each is ready. On an error nothing is left behind.
func Start(ctx context.Context, spec Spec) (*Cluster, error) {
	c := &Cluster{spec: spec.withDefaults()}
	c.ctx, c.endProxies = context.WithCancel(context.Background())
	if err := c.start(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if c.dir, err = os.MkdirTemp("", "realtime-cluster-"); err != nil {
		return fmt.Errorf("start cluster: %w", err)
	}
	if c.spec.LogDir == "" {
		c.spec.LogDir = c.dir
	}
	nodes := c.spec.Gateways + c.spec.Routers + c.spec.Presences + c.spec.All
	if c.binary = c.spec.Binary; c.binary == "" && nodes > 0 {
		if c.binary, err = TaggedBinary(ctx, c.spec.Tags); err != nil {
			return err
		}
	}
	if c.spec.Settings != "" {
		if err := os.WriteFile(c.settingsFile(), []byte(c.spec.Settings), 0o644); err != nil {
			return fmt.Errorf("start cluster: %w", err)
		}
	}
	if err := c.startNATS(ctx, c.spec.NATS, c.spec.Cores); err != nil {
		return err
	}
	if c.spec.Redis {
		if err := c.startRedis(ctx); err != nil {
			return err
		}
	}
	ports, err := freePorts(nodes)
	if err != nil {
		return err
	}
	var all []*Process
	for _, r := range []struct {
		role Role
		n    int
	}{{Router, c.spec.Routers}, {Presence, c.spec.Presences}, {Gateway, c.spec.Gateways}, {All, c.spec.All}} {
		for range r.n {
			p, err := c.node(r.role, ports[len(all)])
			if err != nil {
				return err
			}
			all = append(all, p)
		}
	}
	return startAll(ctx, all)
}

// Add starts one more process of role, which is a command of the binary.
func (c *Cluster) Add(ctx context.Context, role Role) (*Process, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	p, err := c.node(role, ports[0])
	if err != nil {
		return nil, err
	}
	return p, startAll(ctx, []*Process{p})
}

// node makes a process of the binary and puts it on its list.
func (c *Cluster) node(role Role, port int) (*Process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := map[Role]*[]*Process{Gateway: &c.Gateways, Router: &c.Routers, Presence: &c.Presences, All: &c.Alls}[role]
	name := fmt.Sprintf("%s-%d", role, len(*list)+1)
	env := append(baseEnv(),
		"HOST=127.0.0.1",
		fmt.Sprintf("PORT=%d", port),
		"JWT_SECRET="+c.spec.Secret,
		"NODE_NAME="+name,
		"LOG_LEVEL=info",
		"DATA_DIR="+c.data(name),
	)
	natsURL, redisURL := c.NATSURL(), c.RedisURL()
	var links *Links
	if c.spec.Links {
		var err error
		if links, err = c.links(); err != nil {
			return nil, fmt.Errorf("links of %s: %w", name, err)
		}
		natsURL, redisURL = links.urls()
	}
	if role != All || len(c.reached()) > 0 {
		env = append(env, "NATS_URL="+natsURL)
	}
	if c.Redis != nil {
		env = append(env, "REDIS_URL="+redisURL)
	}
	if c.spec.Settings != "" {
		env = append(env, "SETTINGS_FILE="+c.settingsFile())
	}
	p := &Process{
		Name: name, Role: role, Port: port, LogFile: c.logFile(name), Links: links,
		path: c.binary, args: []string{string(role)}, env: append(env, c.spec.Env...),
		timeout: c.spec.ReadyTimeout,
		ready: func(ctx context.Context, p *Process) error {
			_, err := p.Get(ctx, "/readyz")
			return err
		},
	}
	*list = append(*list, p)
	return p, nil
}

// Processes lists all processes, Redis and NATS first.
func (c *Cluster) Processes() []*Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*Process
	if c.Redis != nil {
		all = append(all, c.Redis)
	}
	for _, l := range [][]*Process{c.NATS, c.Cores, c.Routers, c.Presences, c.Gateways, c.Alls} {
		all = append(all, l...)
	}
	return all
}

// reached lists the NATS servers to which realtime processes connect.
func (c *Cluster) reached() []*Process {
	if len(c.Cores) > 0 {
		return c.Cores
	}
	return c.NATS
}

// NATSURL lists the NATS servers to which realtime processes connect, as the setting NATS_URL wants them.
func (c *Cluster) NATSURL() string {
	urls := make([]string, len(c.reached()))
	for i, p := range c.reached() {
		urls[i] = fmt.Sprintf("nats://127.0.0.1:%d", p.Port)
	}
	return strings.Join(urls, ",")
}

// WS lists the URLs of everything that takes clients.
func (c *Cluster) WS() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var urls []string
	for _, l := range [][]*Process{c.Gateways, c.Alls} {
		for _, p := range l {
			urls = append(urls, p.WS())
		}
	}
	return urls
}

// Token signs a token for user that outlives any test.
func (c *Cluster) Token(user string) (string, error) {
	return client.Token(c.spec.Secret, user, time.Hour, nil)
}

// Close kills and waits for all processes and removes their data. Logs stay when
// Spec.LogDir was given.
func (c *Cluster) Close() error {
	var errs []error
	for _, p := range c.Processes() {
		if err := p.Kill(); err != nil && !errors.Is(err, ErrNotRunning) {
			errs = append(errs, err)
		}
	}
	c.endProxies()
	c.proxies.Wait()
	if c.dir != "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

func (c *Cluster) settingsFile() string { return filepath.Join(c.dir, "settings.yaml") }

// data is where a process keeps its data.
func (c *Cluster) data(name string) string {
	if c.spec.Data != nil {
		return c.spec.Data(name)
	}
	return filepath.Join(c.dir, name)
}

func (c *Cluster) logFile(name string) string { return filepath.Join(c.spec.LogDir, name+".log") }

// startAll starts processes at the same time and waits until all are ready.
func startAll(ctx context.Context, ps []*Process) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range ps {
		g.Go(func() error { return p.Restart(ctx) })
	}
	return g.Wait()
}

// baseEnv is what processes inherit: the settings of whoever runs the test do
// not leak in.
func baseEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "GODEBUG", "GOMAXPROCS", "GOTRACEBACK", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
