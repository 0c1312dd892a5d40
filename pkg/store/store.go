package store

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
)

const (
	// DefaultTimeout bounds a call where Config has no Timeout.
	DefaultTimeout = 500 * time.Millisecond

	// watchEvery is how often Run asks Redis, so that its absence is known without traffic.
	watchEvery = 500 * time.Millisecond
)

// Config configures a Store.
type Config struct {
	// URL leads to Redis, in the forms of go-redis; empty: a store in this process that keeps
	// nothing beyond it. rediss instead of redis is TLS.
	//
	//	redis://user:password@host:6379/0           one server
	//	unix://user:password@/path/to/socket?db=0   the same on this machine
	//	redis://user:password@a:6379?addr=b:6379    a cluster: any of its nodes; with one, cluster=true
	//	redis://a:26379/0?master_name=m&addr=b:26379&username=user&password=password
	//	                                            sentinels; user and password before the @ are theirs
	//
	// Further parameters are go-redis's options in snake case, such as pool_size.
	URL string

	Timeout    time.Duration         // of one call; 0: DefaultTimeout
	Role       string                // label of the metrics
	Registerer prometheus.Registerer // nil: the metrics are not registered
	Log        *zap.Logger
}

// Store is a connection to Redis behind a circuit breaker. It is safe for concurrent use.
type Store struct {
	client   redis.UniversalClient
	breaker  *breaker
	metrics  *metrics
	embedded *embedded // nil with a URL
}

// Open connects to Redis and says in one log line to which. A Redis that is away is no error, but
// a warning in the log: the circuit breaker is open until Run finds it back. Errors begin with REDIS_URL
// where that is to be mended, and hold no password.
//
// go-redis logs to a global: Open switches that off, as the breaker tells the same once.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	m, err := newMetrics(cfg.Registerer, cfg.Role)
	if err != nil {
		return nil, err
	}
	logging.Disable()
	timeout := cmp.Or(cfg.Timeout, DefaultTimeout)
	s := &Store{metrics: m, breaker: newBreaker(timeout, m, cfg.Log)}
	if cfg.URL == "" {
		err = s.embed(cfg.Log)
	} else {
		err = s.connect(cfg.URL, timeout, cfg.Log)
	}
	if err != nil {
		return nil, err
	}
	if err := s.ping(ctx); err != nil && ctx.Err() != nil {
		s.Close()
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	return s, nil
}

func (s *Store) embed(log *zap.Logger) error {
	e, err := newEmbedded()
	if err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	s.embedded, s.client = e, e.connect()
	log.Info("REDIS_URL is not set: using an embedded store in memory, which ends with this process")
	return nil
}

func (s *Store) connect(text string, timeout time.Duration, log *zap.Logger) (err error) {
	t, err := parse(text, timeout)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer func() {
		if r := recover(); r != nil { // go-redis's answer to a pool_size of billions
			err = fmt.Errorf("REDIS_URL: %v", r)
		}
	}()
	s.client = t.connect()
	log.Info("using Redis", zap.String("kind", t.kind), zap.String("at", strings.Join(t.addrs, ",")))
	return nil
}

// Run asks Redis now and then, so that Health and the metrics tell the truth without traffic and a Redis
// that is back is used within seconds. It returns nil when ctx is done.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if s.embedded != nil {
				s.embedded.tick(now)
			}
			if s.breaker.circuit.State() != gobreaker.StateOpen {
				_ = s.ping(ctx) // the breaker has heard it
			}
		}
	}
}

func (s *Store) ping(ctx context.Context) error {
	return s.breaker.do(ctx, once, func(ctx context.Context) error { return s.client.Ping(ctx).Err() })
}

// Health is nil while calls are made, and otherwise says why they are not. It does not block.
func (s *Store) Health() error { return s.breaker.health() }

// Close closes the connections; calls then fail. Run has to have returned.
func (s *Store) Close() {
	_ = s.client.Close() // nothing is buffered that could be lost
	if s.embedded != nil {
		s.embedded.close()
	}
}
