// Command realtime is a node of a realtime messaging cluster, or all of it in one process.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/api"
	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/backbone"
	"github.com/realtime-cluster/realtime/pkg/cli"
	"github.com/realtime-cluster/realtime/pkg/config"
	"github.com/realtime-cluster/realtime/pkg/control"
	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/ops"
	"github.com/realtime-cluster/realtime/pkg/process"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/rules"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/supervise"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/web"
	"github.com/realtime-cluster/realtime/presence"
	"github.com/realtime-cluster/realtime/router"
)

// version is set by the linker; see the Makefile.
var version = ""

func main() { os.Exit(run(os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)) }

// run is the program: it returns the exit code, 2 for what is wrong with the call or its settings.
func run(args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	command := config.CommandAll
	if len(args) > 0 && (args[0] == "-version" || args[0] == "--version") {
		command, args = "version", args[1:]
	} else if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	switch command {
	case "version":
		return cli.PrintVersion(version, args, stdout, stderr)
	case "help":
		return cli.Help(args, stdout, stderr)
	case "rules":
		return cli.Rules(args, os.Stdin, stdout, stderr)
	case "health":
		return cli.Health(args, lookup, stdout, stderr)
	case "check":
		return cli.Check(args, lookup, stdout, stderr)
	}
	if !slices.Contains(config.Commands, command) {
		fmt.Fprintf(stderr, "realtime: unknown command %q; try: realtime help\n", command)
		return 2
	}
	cfg, err := config.Load(command, args, lookup)
	if errors.Is(err, config.ErrHelp) {
		return cli.Help([]string{command}, stdout, stderr)
	}
	code := 2
	if err == nil {
		code = 1
		switch command {
		case config.CommandToken:
			err = printToken(cfg, stdout)
		case config.CommandTop, config.CommandInfo, config.CommandDrain, config.CommandDisconnect:
			err = cli.Control(cfg, os.Stdin, stdout)
		default:
			err = serve(cfg, stdout, stderr)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "realtime:", err)
		return code
	}
	return 0
}

// printToken prints an access token, or a pair of tokens as POST /sessions/refresh answers it.
func printToken(cfg *config.Config, stdout io.Writer) error {
	spec := auth.TokenSpec{
		User: cfg.User, Issuer: cfg.Auth.Issuer, Audience: cfg.Auth.Audience, TTL: cfg.Token.TTL,
		Roles: cfg.Token.Roles, Permissions: cfg.Token.Permissions, Topics: grants(cfg.Token), Now: time.Now(),
	}
	if cfg.Token.Refresh {
		pair, err := auth.MintPair(cfg.Auth.Secret, spec, cfg.Auth.RefreshTTL)
		if err != nil {
			return err
		}
		_, err = stdout.Write(pair.Response())
		return err
	}
	token, err := auth.Mint(cfg.Auth.Secret, spec)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, token)
	return err
}

func grants(t config.Token) *topic.Grants {
	if t.Publish == nil && t.Subscribe == nil {
		return nil
	}
	return &topic.Grants{Publish: t.Publish, Subscribe: t.Subscribe}
}

// node is a process in the making: what its roles share.
type node struct {
	cfg      *config.Config
	log      *zap.Logger
	registry *prometheus.Registry
	embedded *backbone.Embedded
	nats     *backbone.Metrics
	mu       sync.Mutex
	conns    []*nats.Conn // guarded by mu once the parts run
	listener *net.TCPListener
	verifier *auth.Verifier
	oneOff   bool // the secret is this process's own

	store *store.Store // nil where no role needs it
	queue *store.Queue // nil where queueing is off
	seen  *store.Seen

	revocations *store.Revocations // nil where there is no gateway
	refresher   *auth.Refresher    // nil where there is no gateway, or no JWT_SECRET

	histories *histories  // nil before buildHistories
	rules     *rules.File // nil: there are none

	supervisor *supervise.Supervisor

	gateway *gateway.Gateway // nil in other roles
	router  *router.Router   // nil in other roles
	control *control.Server
	end     func() // stops the process as SIGTERM does
	health  []ops.Part
	parts   []process.Part
}

// giveUpTime is how long after the end of SHUTDOWN_TIMEOUT, or a second signal, the process
// ends whatever still hangs.
const giveUpTime = 2 * time.Second

// serve runs a command's roles until a signal ends them. Its errors are one line each.
func serve(cfg *config.Config, stdout, stderr io.Writer) error {
	log, err := process.NewLog(cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }()
	n := &node{cfg: cfg, log: log.With(zap.String("name", cfg.NodeName)), registry: prometheus.NewRegistry()}
	n.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	n.supervisor = supervise.New(n.log, n.registry, cfg.Command)
	n.health = append(n.health, ops.Part{Name: "supervisor", Ready: n.supervisor.Ready, Live: n.supervisor.Live, Vital: true})
	n.parts = append(n.parts, process.Part{Name: "supervisor", Run: func(stop, _ context.Context) error { return n.supervisor.Wait(stop) }})
	n.parts = append(n.parts, n.supervised("pulse watch", n.supervisor.Watch))
	n.nats = backbone.NewMetrics(n.registry)
	n.parts = append(n.parts, n.supervised("memory", process.Trim))
	n.parts = append(n.parts, n.supervised("control", func(ctx context.Context) error { return n.control.Run(ctx) }))

	stop, kill, end, release := process.Signals(cfg.ShutdownTimeout, func(s os.Signal) {
		n.log.Info("stopping", zap.Stringer("signal", s), zap.Duration("within", cfg.ShutdownTimeout))
	})
	defer release()
	n.end = end
	defer context.AfterFunc(kill, func() {
		time.AfterFunc(giveUpTime, func() {
			fmt.Fprintln(stderr, "realtime: did not stop in time")
			os.Exit(1)
		})
	})()
	defer func() {
		if stop.Err() != nil {
			n.log.Info("stopped")
		}
	}()
	ctx, cancel := context.WithCancel(stop)
	defer n.close()
	defer cancel()

	if err := n.build(ctx); err != nil {
		if stop.Err() != nil {
			return nil // it was told to stop while it waited for something
		}
		return err
	}
	return process.Run(stop, kill, end, n.parts, func() { n.announce(stdout) })
}

// build makes everything that can fail before anything runs.
func (n *node) build(ctx context.Context) (err error) {
	if err := n.buildRules(); err != nil {
		return err
	}
	if n.listener, err = listen(n.cfg.HTTP.Host, n.cfg.HTTP.Port); err != nil {
		return err
	}
	all := n.cfg.Command == config.CommandAll
	if all || n.cfg.Command == config.CommandGateway {
		if err := n.buildVerifier(ctx); err != nil {
			return err
		}
	}
	if len(n.cfg.NATS.URLs) == 0 {
		n.embedded, err = backbone.StartEmbedded(backbone.EmbeddedConfig{
			DataDir: n.cfg.NATS.DataDir, SyncAlways: n.cfg.NATS.SyncAlways,
			Port: n.cfg.NATS.EmbeddedPort, Name: n.cfg.NodeName, Log: n.log,
		})
		if err != nil {
			return err
		}
	}
	steps := []struct {
		role  string
		build func(context.Context) error
	}{
		{config.CommandPresence, n.buildPresence},
		{config.CommandRouter, n.buildRouter},
		{config.CommandGateway, n.buildGateway},
	}
	for _, s := range steps {
		if all || s.role == n.cfg.Command {
			if err := s.build(ctx); err != nil {
				return err
			}
		}
	}
	if !all && n.cfg.Command != config.CommandGateway {
		n.servePages()
	}
	n.buildControl()
	if n.embedded != nil {
		n.log.Info("embedded NATS server, with its data in DATA_DIR", zap.String("data", n.cfg.NATS.DataDir))
	}
	return nil
}

// listen opens the port of WebSocket and HTTP. Its errors name the setting to mend.
func listen(host string, port int) (*net.TCPListener, error) {
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	ln, err := net.Listen("tcp", addr)
	noHost := new(net.DNSError)
	switch {
	case err == nil:
		return ln.(*net.TCPListener), nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("PORT: %s is already in use", addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("PORT: %s needs a privilege that this process does not have", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("HOST: %s is not an address of this machine", host)
	case errors.As(err, &noHost):
		return nil, fmt.Errorf("HOST: %s is not the name of an address: %s", host, noHost.Err)
	}
	return nil, fmt.Errorf("HOST, PORT: %w", err)
}

// connect opens a role's connections to NATS.
func (n *node) connect(ctx context.Context, role string, count int) ([]*nats.Conn, error) {
	cfg := backbone.ConnConfig{
		URLs: config.Reveal(n.cfg.NATS.URLs), Name: "realtime " + role + " " + n.cfg.NodeName, Credentials: n.cfg.NATS.Credentials,
		ConnectTimeout: n.cfg.NATS.ConnectTimeout, Metrics: n.nats, Log: n.log,
	}
	if n.embedded != nil {
		cfg.Server = n.embedded
	}
	var conns []*nats.Conn
	for range count {
		nc, err := backbone.Connect(ctx, cfg)
		if err != nil {
			return nil, err
		}
		conns = append(conns, nc)
		n.mu.Lock()
		n.conns = append(n.conns, nc)
		n.mu.Unlock()
	}
	return conns, nil
}

// supervised is a part of the process that is restarted when it fails.
func (n *node) supervised(name string, run func(context.Context) error) process.Part {
	return process.Part{Name: name, Run: func(stop, _ context.Context) error {
		n.supervisor.Run(stop, supervise.Part{Name: name, Run: run})
		return nil
	}}
}

// buildStore connects to Redis, once for all roles. What runs the connection starts before them, so that it ends after them.
func (n *node) buildStore(ctx context.Context, role string) (err error) {
	if n.store != nil {
		return nil
	}
	n.store, err = store.Open(ctx, store.Config{URL: n.cfg.Redis.URL.Reveal(), Role: role, Registerer: n.registry, Log: n.log})
	if err != nil {
		return err
	}
	n.health = append(n.health, ops.Part{Name: "redis", Ready: n.store.Health})
	n.parts = append(n.parts, n.supervised("redis", n.store.Run))
	return nil
}

// buildRules reads the routing rules, where there are any.
func (n *node) buildRules() (err error) {
	if n.cfg.RulesFile == "" {
		return nil
	}
	n.rules, err = rules.Open(n.cfg.RulesFile, rules.FileOptions{
		Log: n.log.Named("rules"), Factory: metric.For(n.registry, "rules"),
	})
	if err != nil {
		return config.Blame("RULES_FILE", err)
	}
	n.parts = append(n.parts, n.supervised("rules", n.rules.Run))
	return nil
}

// historySettings are those of one of the roles that own histories, which share the memory.
func (n *node) historySettings() shelf.Settings {
	h := shelf.Settings{
		Rules: n.histories.rules, DedupeWindow: n.cfg.History.DedupeWindow, Memory: n.cfg.History.Memory,
	}
	if n.cfg.Command == config.CommandAll {
		h.Memory /= 2
	}
	return h
}

// watchHistory makes histories a part of /health, where there are any or may be.
func (n *node) watchHistory(name string, ready func() error) {
	if len(n.cfg.Settings.History) > 0 || n.cfg.SettingsFile != "" {
		n.health = append(n.health, ops.Part{Name: name, Ready: ready})
	}
}

// buildQueue makes what presence keeps in Redis. Last seen times are written after the end of the role,
// which may have noted some.
func (n *node) buildQueue(ctx context.Context) error {
	if err := n.buildStore(ctx, config.CommandPresence); err != nil {
		return err
	}
	c := n.cfg.Presence
	if c.QueueTTL > 0 {
		n.queue = store.NewQueue(n.store, store.Limits{MaxCount: c.QueueMaxMessages, MaxBytes: c.QueueMaxBytes, TTL: c.QueueTTL})
	}
	n.seen = store.NewSeen(n.store, c.LastSeenTTL)
	n.parts = append(n.parts, n.supervised("last seen", n.seen.Run))
	return nil
}

func (n *node) buildPresence(ctx context.Context) error {
	conns, err := n.connect(ctx, config.CommandPresence, n.cfg.NATS.Connections)
	if err != nil {
		return err
	}
	if err := n.buildQueue(ctx); err != nil {
		return err
	}
	if err := n.buildHistories(ctx); err != nil {
		return err
	}
	replicas := n.cfg.Presence.RoomReplicas
	if n.embedded != nil {
		replicas = 1
	}
	p, err := presence.New(presence.Config{
		Name: n.cfg.NodeName, Version: cli.Version(version), Lanes: n.cfg.Router.Lanes, Conns: conns,
		Log: n.log.Named(config.CommandPresence), Registerer: n.registry, Supervisor: n.supervisor,
		Queue: n.queue, Seen: n.seen, RoomGrace: n.cfg.Presence.RoomGrace, MaxRooms: n.cfg.Presence.MaxRooms,
		MaxRoomMembers: n.cfg.Presence.MaxRoomMembers, RoomReplicas: replicas, Rules: n.rules, History: n.historySettings(),
	})
	if err != nil {
		return err
	}
	n.health = append(n.health, ops.Part{Name: config.CommandPresence, Ready: p.Ready, Vital: n.cfg.Command != config.CommandAll})
	n.health = append(n.health, ops.Part{Name: "jetstream", Ready: p.RoomsReady})
	n.watchHistory("room_history", p.HistoryReady)
	n.parts = append(n.parts, process.Part{Name: config.CommandPresence, Run: p.Run, Started: p.Started()})
	return nil
}

func (n *node) buildRouter(ctx context.Context) error {
	conns, err := n.connect(ctx, config.CommandRouter, n.cfg.NATS.Connections)
	if err != nil {
		return err
	}
	if err := n.buildHistories(ctx); err != nil {
		return err
	}
	r, err := router.New(router.Config{
		Name: n.cfg.NodeName, Version: cli.Version(version), Lanes: n.cfg.Router.Lanes, Conns: conns,
		Log: n.log.Named(config.CommandRouter), Registerer: n.registry, Supervisor: n.supervisor, Rules: n.rules, History: n.historySettings(),
	})
	if err != nil {
		return err
	}
	n.router = r
	n.health = append(n.health, ops.Part{Name: config.CommandRouter, Ready: r.Ready, Vital: true})
	n.watchHistory("topic_history", r.HistoryReady)
	n.parts = append(n.parts, process.Part{Name: config.CommandRouter, Run: r.Run, Started: r.Started()})
	return nil
}

func (n *node) buildGateway(ctx context.Context) error {
	conns, err := n.connect(ctx, config.CommandGateway, n.cfg.NATS.Connections)
	if err != nil {
		return err
	}
	c := &n.cfg.Gateway
	if err := n.buildTokens(ctx); err != nil {
		return err
	}
	pages := &lateHandler{}
	n.gateway, err = gateway.New(gateway.Config{
		Name: n.cfg.NodeName, Version: cli.Version(version), Loops: c.Loops, Conns: conns,
		Verifier: n.verifier, HTTP: pages, Log: n.log.Named(config.CommandGateway), Registerer: n.registry, Supervisor: n.supervisor,
		MaxConnections: c.MaxConnections, MaxSubscriptions: c.MaxSubscriptions, MaxFrameSize: c.MaxFrameSize,
		MaxWatched: c.MaxWatched, MaxRooms: n.cfg.Presence.MaxRooms,
		OutboxSize: c.OutboxSize, HeartbeatInterval: c.HeartbeatInterval, ClientTimeout: c.ClientTimeout,
		HandshakeTimeout: c.HandshakeTimeout, RequestTimeout: c.RequestTimeout, TokenLeeway: n.cfg.Auth.Leeway,
		AllowedOrigins: c.AllowedOrigins, TrustedProxies: c.TrustedProxies, AdmitRate: c.AdmitRate,
		MaxConnectionsPerUser: c.MaxPerUser, MaxConnectionsPerAddress: c.MaxPerAddress,
		Revocations: n.revocations,
		Store:       n.store, SessionTTL: c.SessionTTL, DrainPeriod: c.DrainPeriod,
		RateLimit: c.RateLimit.Enabled, RateLimitRPS: float64(c.RateLimit.RPS), RateLimitBurst: c.RateLimit.Burst,
		RateLimitUserRPS: float64(c.RateLimit.UserRPS), RateLimitUserBurst: c.RateLimit.UserBurst,
		RateLimitGlobalRPS: float64(c.RateLimit.GlobalRPS), RateLimitGlobalBurst: c.RateLimit.GlobalBurst,
	})
	if err != nil {
		return err
	}
	n.health = append(n.health, ops.Part{Name: config.CommandGateway, Ready: n.gateway.Ready, Vital: true})
	if n.cfg.Command == config.CommandGateway {
		n.health = append(n.health, ops.Part{Name: config.CommandPresence, Ready: n.gateway.PresenceReady})
	}
	pages.Handler = n.tokenPages(n.pages())
	n.parts = append(n.parts, process.Part{
		Name: config.CommandGateway, Started: n.gateway.Started(),
		Run: func(stop, kill context.Context) error { return n.gateway.Run(stop, kill, n.listener) },
	})
	return nil
}

// buildTokens makes what gateways know of tokens besides their keys: which are revoked, and, where this process can sign
// tokens, which refresh tokens are used.
func (n *node) buildTokens(ctx context.Context) (err error) {
	if err := n.buildStore(ctx, config.CommandGateway); err != nil {
		return err
	}
	n.revocations = store.NewRevocations(n.store, n.cfg.Auth.RefreshTTL)
	n.health = append(n.health, ops.Part{Name: "revocations", Ready: n.revocations.Health})
	watcher := n.supervised("revocations", n.revocations.Run)
	watcher.Started = n.revocations.Started()
	n.parts = append(n.parts, watcher)
	if a := &n.cfg.Auth; a.Secret != "" {
		n.refresher, err = auth.NewRefresher(auth.RefreshConfig{
			Secret: a.Secret, Issuer: a.Issuer, Audience: a.Audience, Leeway: a.Leeway, TTL: a.RefreshTTL,
			Families: store.NewFamilies(n.store, n.revocations), Revoked: n.revocations.Check,
			Registerer: n.registry, Role: config.CommandGateway,
		})
	}
	return err
}

// tokenPages are the pages about tokens, before those of the operator.
func (n *node) tokenPages(next http.Handler) http.Handler {
	c := &n.cfg.Gateway
	cfg := api.Config{
		Refresher: n.refresher, Revocations: n.revocations, Verifier: n.verifier, Leeway: n.cfg.Auth.Leeway,
		Origins: web.NewOrigins(c.AllowedOrigins), Proxies: c.TrustedProxies,
		Log: n.log.Named("api"), Registerer: n.registry, Role: config.CommandGateway,
	}
	if c.RateLimit.Enabled {
		cfg.RPS, cfg.Burst = c.AddressRate.RPS, c.AddressRate.Burst
	}
	return api.New(cfg, next)
}

// lateHandler is a handler that is set after it was handed out.
type lateHandler struct{ http.Handler }

// buildVerifier makes what checks tokens. In development mode without a key it checks
// those that this process signs with a secret of its own.
func (n *node) buildVerifier(ctx context.Context) (err error) {
	a := &n.cfg.Auth
	if n.cfg.Dev && a.Secret == "" && a.PublicKey == "" && a.JWKSURL == "" {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		a.Secret = auth.Secret(hex.EncodeToString(b[:]))
		n.oneOff = true
	}
	n.verifier, err = auth.New(ctx, auth.Config{
		Secret: a.Secret, PublicKey: a.PublicKey, JWKSURL: a.JWKSURL.Reveal(),
		Issuer: a.Issuer, Audience: a.Audience, Leeway: a.Leeway, Log: n.log,
		Registerer: n.registry, Role: config.CommandGateway,
	})
	if a.JWKSURL != "" && err == nil {
		n.health = append(n.health, ops.Part{Name: "jwks", Ready: n.verifier.Health})
	}
	return err
}

// pages is what the operator sees of this process.
func (n *node) pages() http.Handler {
	cfg := ops.Config{
		Version: cli.Version(version), Protocol: protocol.Version, Role: n.cfg.Command, Node: n.cfg.NodeName,
		Features: gateway.Features, Settings: n.cfg.Public(), Gatherer: n.registry, Registerer: n.registry,
		Parts: n.vitals(),
	}
	if g := n.gateway; g != nil {
		cfg.Connections = func() (int, int) { return g.Open(), n.cfg.Gateway.MaxConnections }
		cfg.Stats = func() map[string]any {
			v := g.Views()
			return map[string]any{
				"connections": g.Open(), "gateways": len(v.Gateways.Active),
				"routers": len(v.Routers.Active), "presences": len(v.Presences.Active),
			}
		}
	}
	return ops.New(cfg)
}

// vitals are the parts of /health.
func (n *node) vitals() []ops.Part {
	return append(slices.Clone(n.health), ops.Part{Name: "nats", Ready: n.natsReady, Vital: true})
}

// buildControl makes what answers the operator's tools.
func (n *node) buildControl() {
	cfg := control.Config{
		Conn: n.conns[0], Log: n.log.Named("control"), Node: n.cfg.NodeName, Role: n.cfg.Command, Version: cli.Version(version),
		Address: n.listener.Addr().String(), Settings: n.cfg.Public(), Parts: n.vitals(), Gatherer: n.registry, Drain: n.end,
	}
	if n.router != nil {
		cfg.Topics = n.router.Hot
	}
	if n.gateway != nil {
		cfg.Slow = n.gateway.Slow
		cfg.Disconnect = func(ctx context.Context, user string) error {
			return n.revocations.Revoke(ctx, store.Revocation{Kind: store.KindDisconnect, Name: user, At: time.Now()})
		}
	}
	n.control = control.New(cfg)
}

func (n *node) natsReady() error {
	n.mu.Lock()
	conns := slices.Clone(n.conns)
	n.mu.Unlock()
	for _, nc := range conns {
		if !nc.IsConnected() {
			return errors.New("not connected")
		}
	}
	return nil
}

// servePages serves the operator's pages in a role that has no clients.
func (n *node) servePages() {
	server := &http.Server{Handler: n.pages(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	page := process.Part{Name: "http", Run: func(stop, _ context.Context) error {
		defer context.AfterFunc(stop, func() { _ = server.Close() })()
		if err := server.Serve(n.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}}
	// First to start and last to stop: it tells of the others.
	n.parts = append([]process.Part{page}, n.parts...)
}

// announce says that everything runs; in development mode, how to try it.
func (n *node) announce(stdout io.Writer) {
	n.log.Info("ready", zap.String("version", cli.Version(version)), zap.Stringer("address", n.listener.Addr()),
		zap.String("command", n.cfg.Command))
	if !n.cfg.Dev {
		return
	}
	screen := cli.Screen{Version: cli.Version(version), Addr: n.listener.Addr(), OneOff: n.oneOff}
	if n.cfg.Auth.Secret != "" {
		screen.Tokens = make(map[string]string)
		for _, user := range []string{"alice", "bob"} {
			token, err := auth.Mint(n.cfg.Auth.Secret, auth.TokenSpec{
				User: user, Issuer: n.cfg.Auth.Issuer, Audience: n.cfg.Auth.Audience, TTL: 24 * time.Hour, Now: time.Now(),
			})
			if err != nil {
				n.log.Error("mint a token", zap.Error(err))
				return
			}
			screen.Tokens[user] = token
		}
	}
	screen.Print(stdout)
}

// close ends what the parts ran on.
func (n *node) close() {
	for _, nc := range n.conns {
		nc.Close()
	}
	if n.store != nil {
		n.store.Close()
	}
	if n.embedded != nil {
		n.embedded.Shutdown()
	}
	if n.listener != nil {
		_ = n.listener.Close()
	}
	if n.verifier != nil {
		n.verifier.Wait()
	}
}
