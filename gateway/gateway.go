package gateway

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/supervise"
	"github.com/realtime-cluster/realtime/pkg/web"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Config is what a Gateway is made of. The settings are those of the README.
type Config struct {
	Name       string       // for people
	Version    string       // of the program
	Loops      int          // 1–64
	Conns      []*nats.Conn // at least one; loops and readers are spread over them
	Verifier   *auth.Verifier
	HTTP       http.Handler          // what is not /ws
	Supervisor *supervise.Supervisor // restarts loops and the like; nil: one of the gateway's own, to which nobody listens
	Log        *zap.Logger
	Registerer prometheus.Registerer

	MaxConnections    int
	MaxSubscriptions  int // per connection
	MaxWatched        int // users, per connection
	MaxRooms          int // per user
	MaxFrameSize      int // bytes
	OutboxSize        int // bytes
	HeartbeatInterval time.Duration
	ClientTimeout     time.Duration
	HandshakeTimeout  time.Duration
	RequestTimeout    time.Duration
	TokenLeeway       time.Duration
	AllowedOrigins    []string // as web.ParseOrigin returns them

	MaxConnectionsPerUser    int         // on all gateways; 0: any number
	MaxConnectionsPerAddress int         // of this gateway; 0: any number
	TrustedProxies           web.Proxies // whose X-Forwarded-For counts
	AdmitRate                int         // new connections a second; 0: any number

	RateLimit      bool    // whether any of the following limits applies
	RateLimitRPS   float64 // per connection; 0: no limit
	RateLimitBurst int

	RateLimitUserRPS     float64 // per user, over all gateways; 0: no limit
	RateLimitUserBurst   int
	RateLimitGlobalRPS   float64 // of the cluster; 0: no limit
	RateLimitGlobalBurst int

	Revocations *store.Revocations // nil: no token is revoked

	Store      *store.Store  // keeps sessions; nil: they are not resumed
	SessionTTL time.Duration // 0: they are not resumed

	DrainPeriod time.Duration // over how long clients are told goodbye when it stops; 0: at once
}

// Gateway is one gateway node.
type Gateway struct {
	cfg     Config
	log     *zap.Logger
	metrics *metrics
	self    cluster.Node
	began   time.Time    // static
	seed    maphash.Seed // static
	rights  rightsPool
	origins *web.Origins // static
	door    *door

	households households

	member  *cluster.Member
	pulse   supervise.Pulse // of the membership
	conns   []*natsConn
	loops   []*loop
	readers []*reader
	limits  limits

	heads    chan head    // to the verifiers
	renewals chan renewal // likewise
	handoffs chan handoff // to net/http

	open     atomic.Int64  // WebSockets
	sockets  atomic.Int64  // all connections on the loops
	started  chan struct{} // closed when it takes clients
	draining atomic.Bool   // it is not ready any more
	shut     atomic.Bool   // it lets nobody in any more
	full     atomic.Bool   // it had MAX_CONNECTIONS, and still has nearly as many

	sessions *store.Sessions // nil: they are not resumed
	taking   sync.WaitGroup  // goroutines that take sessions
	takes    chan struct{}   // holds one for each of them
	yielding *nats.Subscription

	dropUnavailable, dropOwnerLost prometheus.Counter
}

// natsConn is a NATS connection, and whether it is up: what nats.Conn tells only under a
// lock.
type natsConn struct {
	*nats.Conn
	up atomic.Bool
}

// New makes a Gateway. It starts nothing.
func New(cfg Config) (*Gateway, error) {
	g := &Gateway{
		cfg: cfg, metrics: newMetrics(cfg.Registerer), began: time.Now(), seed: maphash.MakeSeed(),
		self: cluster.Node{
			Ref: cluster.Ref{ID: cluster.NewID()}, Role: cluster.RoleGateway, Name: cfg.Name,
			Lanes: cfg.Loops, Version: cfg.Version,
		},
		heads:    make(chan head, 4096),
		renewals: make(chan renewal, 1024),
		handoffs: make(chan handoff, 256),
		started:  make(chan struct{}),
		takes:    make(chan struct{}, takesMost),
	}
	g.origins, g.door, g.households.most = web.NewOrigins(cfg.AllowedOrigins), newDoor(cfg.AdmitRate), cfg.MaxConnectionsPerAddress
	if g.cfg.Supervisor == nil {
		g.cfg.Supervisor = supervise.New(cfg.Log, nil, string(cluster.RoleGateway))
	}
	g.limits = newLimits(&g.cfg, g.metrics)
	g.metrics.most.Set(float64(cfg.MaxConnections))
	g.log = cfg.Log.With(zap.String("node", cluster.IDString(g.self.ID)))
	g.dropUnavailable = g.metrics.dropped.WithLabelValues(dropUnavailable)
	g.dropOwnerLost = g.metrics.dropped.WithLabelValues(dropOwnerLost)
	for _, nc := range cfg.Conns {
		c := &natsConn{Conn: nc}
		c.up.Store(nc.IsConnected())
		g.conns = append(g.conns, c)
	}
	if cfg.Store != nil && cfg.SessionTTL > 0 {
		g.sessions = store.NewSessions(cfg.Store, cfg.SessionTTL, g.lostSession)
	}
	for i := range cfg.Loops {
		l, err := newLoop(g, i)
		if err != nil {
			return nil, err
		}
		g.loops = append(g.loops, l)
		g.readers = append(g.readers, newReader(g, i))
	}
	if cfg.Revocations != nil {
		cfg.Revocations.Notify(g.revoke)
	}
	var err error
	g.member, err = cluster.New(cfg.Conns[0], cluster.Config{
		Self:       g.self,
		OnChange:   g.follow,
		Demand:     g.demand,
		Turned:     g.pulse.Turned,
		Log:        g.log,
		Registerer: cfg.Registerer,
	})
	return g, err
}

// follow passes new views to the loops.
func (g *Gateway) follow(v *cluster.Views) {
	self := g.member.Self().Ref
	for _, l := range g.loops {
		l.mail.post(func(l *loop) { l.adopt(self, v) })
	}
}

// demand is what heartbeats tell, see globalBudget.
func (g *Gateway) demand() float64 {
	if g.limits.global == nil {
		return 0
	}
	return g.limits.global.tell(int64(time.Since(g.began)))
}

// Views is the gateway's picture of the cluster.
func (g *Gateway) Views() *cluster.Views { return g.member.Views() }

// Open is how many WebSockets are open.
func (g *Gateway) Open() int { return int(g.open.Load()) }

// Started is closed when the gateway takes clients.
func (g *Gateway) Started() <-chan struct{} { return g.started }

func (g *Gateway) hasStarted() bool {
	select {
	case <-g.started:
		return true
	default:
		return false
	}
}

// Ready reports why the gateway should get no clients, nil when it should.
func (g *Gateway) Ready() error {
	switch {
	case g.draining.Load():
		return errors.New("draining")
	case !g.hasStarted():
		return errors.New("starting")
	case !g.Connected():
		return errors.New("cut off from NATS")
	case len(g.Views().Routers.Active) == 0:
		return errors.New("no router")
	}
	return g.overloaded()
}

// overloaded reports why the gateway has all that it can do, nil when it has not. That goes back only when there is some room again: a gateway
// is not to be ready for one client at a time.
func (g *Gateway) overloaded() error {
	most := g.cfg.MaxConnections
	switch open := g.Open(); {
	case open >= most:
		g.full.Store(true)
	case open <= most-max(most/20, 1):
		g.full.Store(false)
	}
	if g.full.Load() {
		return errors.New("overloaded: at MAX_CONNECTIONS")
	}
	for _, l := range g.loops {
		if l.pulse.Behind() {
			return fmt.Errorf("overloaded: loop %d is behind", l.index)
		}
	}
	return nil
}

// PresenceReady reports why users and rooms cannot be reached, nil when they can. A gateway
// serves topics without.
func (g *Gateway) PresenceReady() error {
	if len(g.Views().Presences.Active) == 0 {
		return errors.New("no presence node")
	}
	return nil
}

// Connected reports whether every NATS connection is up.
func (g *Gateway) Connected() bool {
	for _, c := range g.conns {
		if !c.up.Load() {
			return false
		}
	}
	return true
}

// Run serves the listener until stop is done; then it tells the clients, closes them, and
// returns when they are gone or kill is done. Every goroutine has ended when it returns.
func (g *Gateway) Run(stop, kill context.Context, ln *net.TCPListener) error {
	defer g.closeHandoffs()
	if g.sessions != nil {
		defer g.runSessions()()
	}
	defer g.taking.Wait() // behind the verifiers, who begin them
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(context.WithoutCancel(kill))
	defer cancel()
	defer func() { _ = ln.Close() }()

	if err := g.subscribe(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer g.unsubscribe()
	for _, c := range g.conns {
		wg.Go(func() { g.superviseWatch(ctx, c) })
	}
	for i := range g.loops {
		wg.Go(func() { g.loops[i].supervise(ctx) })
		wg.Go(func() { g.supervise(ctx, fmt.Sprintf("gateway reader %d", i), g.readers[i].run) })
	}
	for i := range runtime.GOMAXPROCS(0) {
		wg.Go(func() { g.supervise(ctx, fmt.Sprintf("gateway verifier %d", i), g.verify) })
	}
	failed := make(chan error, 3)
	server := newHTTPServer(g.cfg.HTTP)
	wg.Go(func() { failed <- server.Serve(g.handoffListener(ctx, ln.Addr())) })
	defer func() { _ = server.Close() }()
	wg.Go(func() {
		g.superviseVital(ctx, "gateway acceptor", failed, func(ctx context.Context) error { return g.accept(ctx, ln) }, nil, nil)
	})
	// What the membership has heard while it failed is not known: it goes on under a new incarnation.
	wg.Go(func() { g.superviseVital(ctx, "gateway membership", failed, g.member.Run, g.member.Renew, &g.pulse) })

	select {
	case <-g.member.Ready():
		g.member.Activate()
		close(g.started)
	case err := <-failed:
		return err
	case <-stop.Done():
		return nil
	}
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	g.drain(kill)
	return nil
}

func (g *Gateway) subscribe() error {
	for i, l := range g.loops {
		if err := g.readers[i].subscribe(); err != nil {
			return err
		}
		var err error
		l.refuse, err = l.nats.Subscribe(wire.Refuse(g.self.ID, i)+".>", func(m *nats.Msg) { g.safely("refusal", func() { l.refusal(m) }) })
		if err != nil {
			return err
		}
	}
	var err error
	if g.yielding, err = g.conns[0].Subscribe(wire.Yield(wire.NodeName(g.self.ID)), func(m *nats.Msg) { g.safely("yield", func() { g.yields(m) }) }); err != nil {
		return err
	}
	for _, c := range g.conns {
		if err := c.FlushTimeout(5 * time.Second); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) unsubscribe() {
	_ = g.yielding.Unsubscribe()
	for i, l := range g.loops {
		// These fail only when the connection is closed.
		_ = l.refuse.Unsubscribe()
		_ = g.readers[i].sub.Unsubscribe()
	}
}

// watch follows the state of a NATS connection.
func (g *Gateway) watch(ctx context.Context, c *natsConn) {
	status := c.StatusChanged()
	defer c.RemoveStatusListener(status)
	for {
		// Not by the events alone: those before this, or past the channel's ten, are lost.
		c.up.Store(c.IsConnected())
		select {
		case <-ctx.Done():
			return
		case s, ok := <-status:
			if !ok {
				return
			}
			if s != nats.CONNECTED {
				continue
			}
			c.up.Store(true)
			for _, l := range g.loops {
				if l.nats == c {
					l.mail.post((*loop).reconnected)
				}
			}
		}
	}
}

func (g *Gateway) drop(reason string) { g.metrics.dropped.WithLabelValues(reason).Inc() }
