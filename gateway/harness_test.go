package gateway_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/backbone"
	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/history/stream"
	"github.com/realtime-cluster/realtime/pkg/ops"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/presence"
	"github.com/realtime-cluster/realtime/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret signs the tokens of the tests.
const secret = auth.Secret("a secret of the tests, and of nobody else")

// harness is a cluster in this process: a NATS server, routers, presence nodes and gateways on
// real sockets. Everything is stopped, and waited for, when the test ends.
type harness struct {
	t        *testing.T
	server   nats.InProcessConnProvider
	log      *zap.Logger
	gateway  []*gatewayNode
	router   []*routerNode
	presence []*presenceNode

	queue        *store.Queue // of the presence nodes; nil: queueing is off
	seen         *store.Seen
	tunePresence func(*presence.Config)
	policy       history.Policy // of the routers and presence nodes
	sessions     *store.Store   // of the gateways of withSessions
}

// window is DEDUPE_WINDOW.
const window = 30 * time.Second

// stores are the histories of one node, on a connection of its own.
func (h *harness) stores(conns *[]*nats.Conn) (stores map[string]history.Store, run func(context.Context)) {
	h.t.Helper()
	stores = make(map[string]history.Store)
	var runs []func(context.Context) error
	for _, rule := range h.policy {
		list := h.connect(prometheus.NewRegistry())
		nc := list[0]
		*conns = append(*conns, list...)
		s, err := stream.New(stream.Config{Conn: nc, Rule: rule, DedupeWindow: window, Replicas: 1, Log: h.log})
		if err != nil {
			h.t.Fatal(err)
		}
		stores[rule.Name] = s
		runs = append(runs, s.Run)
	}
	return stores, func(ctx context.Context) {
		var wg sync.WaitGroup
		for _, run := range runs {
			wg.Go(func() { _ = run(ctx) })
		}
		wg.Wait()
	}
}

// withStores runs a node and the stores that it uses.
func withStores(run func(stop, kill context.Context) error, stores func(context.Context)) func(stop, kill context.Context) error {
	return func(stop, kill context.Context) error {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { stores(ctx) })
		defer wg.Wait()
		defer cancel()
		return run(stop, kill)
	}
}

// in is the harness for a part of its test.
func (h *harness) in(t *testing.T) *harness {
	part := *h
	part.t = t
	return &part
}

type gatewayNode struct {
	*gateway.Gateway
	addr    string // host:port
	metrics *prometheus.Registry
	conns   []*nats.Conn
	stop    func()
	killed  atomic.Bool
}

// kill is a router's kill. The sockets stay: their clients are as in a partition.
func (g *gatewayNode) kill() {
	g.killed.Store(true)
	for _, nc := range g.conns {
		nc.Close()
	}
}

type routerNode struct {
	*router.Router
	metrics *prometheus.Registry
	conns   []*nats.Conn
	stop    func() // in good order
	killed  atomic.Bool
}

// kill ends a router as the end of its process would: without a word, in the middle of
// whatever it does.
func (r *routerNode) kill() {
	r.killed.Store(true)
	for _, nc := range r.conns {
		nc.Close()
	}
}

type presenceNode struct {
	*presence.Presence
	metrics *prometheus.Registry
	conns   []*nats.Conn
	stop    func() // in good order
	killed  atomic.Bool
	stopped atomic.Bool
}

// kill is a router's kill.
func (p *presenceNode) kill() {
	p.killed.Store(true)
	for _, nc := range p.conns {
		nc.Close()
	}
}

// start brings up a cluster. tune, if not nil, changes the gateways' configuration.
func start(t *testing.T, gateways, routers int, tune func(*gateway.Config)) *harness {
	t.Helper()
	return startWith(t, nil, gateways, routers, tune)
}

// startWith is start with histories.
func startWith(t *testing.T, policy history.Policy, gateways, routers int, tune func(*gateway.Config)) *harness {
	t.Helper()
	log := zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
	server, err := backbone.StartEmbedded(backbone.EmbeddedConfig{DataDir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	h := &harness{t: t, server: server, log: log, policy: policy}
	return h.begin(gateways, routers, tune)
}

// startOn is start with a NATS server that is there already.
func startOn(t *testing.T, server nats.InProcessConnProvider, log *zap.Logger, gateways, routers int, tune func(*gateway.Config)) *harness {
	t.Helper()
	h := &harness{t: t, server: server, log: log}
	return h.begin(gateways, routers, tune)
}

func (h *harness) begin(gateways, routers int, tune func(*gateway.Config)) *harness {
	h.t.Helper()
	for range routers {
		h.addRouter()
	}
	for range gateways {
		h.addGateway(tune)
	}
	for _, g := range h.gateway {
		h.eventually(func() bool { return g.Ready() == nil && len(g.Views().Routers.Active) == routers })
	}
	return h
}

func (h *harness) connect(registry *prometheus.Registry) []*nats.Conn {
	h.t.Helper()
	metrics := backbone.NewMetrics(registry)
	var conns []*nats.Conn
	for range 2 {
		nc, err := backbone.Connect(h.t.Context(), backbone.ConnConfig{
			Server: h.server, Name: "test", ConnectTimeout: 5 * time.Second, Metrics: metrics, Log: h.log,
		})
		if err != nil {
			h.t.Fatal(err)
		}
		conns = append(conns, nc)
	}
	return conns
}

// run runs a part until stop is called, once or more, or the test ends.
func (h *harness) run(conns []*nats.Conn, run func(stop, kill context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	kill, killNow := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx, kill); err != nil {
			h.t.Error(err)
		}
		for _, nc := range conns {
			nc.Close()
		}
	}()
	stop = func() {
		cancel()
		timer := time.AfterFunc(5*time.Second, killNow)
		<-done
		timer.Stop()
		killNow()
	}
	h.t.Cleanup(stop)
	return stop
}

func (h *harness) addRouter() *routerNode {
	h.t.Helper()
	registry := prometheus.NewRegistry()
	conns := h.connect(registry)
	stores, runStores := h.stores(&conns)
	r, err := router.New(router.Config{
		Name: "test", Lanes: 2, Conns: conns[:2], Log: h.log, Registerer: registry,
		History: shelf.Settings{Policy: h.policy, Stores: stores, DedupeWindow: window, Memory: 16 << 20},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	node := &routerNode{Router: r, metrics: registry, conns: conns}
	node.stop = h.run(conns, withStores(func(stop, kill context.Context) error {
		if err := r.Run(stop, kill); !node.killed.Load() {
			return err
		}
		return nil
	}, runStores))
	<-r.Started()
	h.router = append(h.router, node)
	return node
}

func (h *harness) addPresence() *presenceNode {
	h.t.Helper()
	node := h.beginPresence()
	<-node.Started()
	return node
}

// beginPresence starts a presence node and does not wait for it.
func (h *harness) beginPresence() *presenceNode {
	h.t.Helper()
	registry := prometheus.NewRegistry()
	conns := h.connect(registry)
	stores, runStores := h.stores(&conns)
	cfg := presence.Config{
		Name: "test", Lanes: 2, Conns: conns[:2], Log: h.log, Registerer: registry, Queue: h.queue, Seen: h.seen,
		RoomGrace: 30 * time.Second, MaxRooms: 100, MaxRoomMembers: 1000, RoomReplicas: 1,
		History: shelf.Settings{Policy: h.policy, Stores: stores, DedupeWindow: window, Memory: 16 << 20},
	}
	if h.tunePresence != nil {
		h.tunePresence(&cfg)
	}
	p, err := presence.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	node := &presenceNode{Presence: p, metrics: registry, conns: conns}
	stop := h.run(conns, withStores(func(stop, kill context.Context) error {
		if err := p.Run(stop, kill); !node.killed.Load() {
			return err
		}
		return nil
	}, runStores))
	node.stop = func() {
		node.stopped.Store(true)
		stop()
	}
	h.presence = append(h.presence, node)
	return node
}

func (h *harness) addGateway(tune func(*gateway.Config)) *gatewayNode {
	h.t.Helper()
	registry := prometheus.NewRegistry()
	conns := h.connect(registry)
	verifier, err := auth.New(h.t.Context(), auth.Config{Secret: secret})
	if err != nil {
		h.t.Fatal(err)
	}
	cfg := gateway.Config{
		Name: "test", Loops: 2, Conns: conns, Verifier: verifier, Log: h.log, Registerer: registry,
		HTTP:           ops.New(ops.Config{Gatherer: registry}),
		MaxConnections: 1000, MaxSubscriptions: 100, MaxWatched: 100, MaxRooms: 100,
		MaxFrameSize: 64 << 10, OutboxSize: 256 << 10,
		HeartbeatInterval: 30 * time.Second, ClientTimeout: time.Minute,
		HandshakeTimeout: 5 * time.Second, RequestTimeout: 5 * time.Second, AllowedOrigins: []string{"*"},
	}
	if tune != nil {
		tune(&cfg)
	}
	g, err := gateway.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	node := &gatewayNode{Gateway: g, addr: ln.Addr().String(), metrics: registry, conns: conns}
	node.stop = h.run(conns, func(stop, kill context.Context) error {
		if err := g.Run(stop, kill, ln.(*net.TCPListener)); !node.killed.Load() {
			return err
		}
		return nil
	})
	<-g.Started()
	h.gateway = append(h.gateway, node)
	return node
}

// token is a token of that user, good for an hour.
func (h *harness) token(user string) string {
	h.t.Helper()
	return h.mint(auth.TokenSpec{User: user, TTL: time.Hour})
}

func (h *harness) mint(spec auth.TokenSpec) string {
	h.t.Helper()
	if spec.Now.IsZero() {
		spec.Now = time.Now()
	}
	token, err := auth.Mint(secret, spec)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

// eventually waits for something that comes within seconds.
func (h *harness) eventually(true_ func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !true_(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatal("did not come true within 10s")
		}
	}
}
