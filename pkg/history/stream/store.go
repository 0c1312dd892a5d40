package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream"
	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// DefaultTimeout is how long a write waits for its acknowledgement, and bounds a read or a Trim, unless
// Config.Timeout does.
const DefaultTimeout = 2 * time.Second

// afterWindow is how much longer an entry is kept than publications are recognized by it.
const afterWindow = 30 * time.Second

// Config is what a Store is made of.
type Config struct {
	Conn         *nats.Conn
	Rule         *history.Rule
	DedupeWindow time.Duration // entries are kept that long at least
	Replicas     int           // of a new stream, 1–5; 0: three where there are as many servers, else one
	Timeout      time.Duration // 0: DefaultTimeout
	Log          *zap.Logger

	// Calls counts calls; labels call (append, last, read, trim, probe) and outcome (ok, conflict, refused, overflow,
	// unavailable, abandoned: by its caller). May be nil.
	Calls *prometheus.CounterVec
}

// Store is a history.Store. Append needs Run to be running; the other calls do not.
//
// Every call is bounded by its context and Config.Timeout, whichever ends first; one that its context ended
// returns that context's error, others fail with history.ErrUnavailable.
type Store struct {
	conn       *nats.Conn
	js         jetstream.JetStream
	timeout    time.Duration
	calls      *prometheus.CounterVec
	partitions [partitions]*partition
	health     health
	window     time.Duration
	age        *atomic.Int64 // of entries, in nanoseconds

	writes   chan *write  // made for maxWrites; read by Run
	underWay atomic.Int64 // appends of which done was not yet called
	size     atomic.Int64 // bytes of their data

	mu      sync.RWMutex
	running bool // guarded by mu
}

var _ history.Store = (*Store)(nil)

// partition is one stream of the rule.
type partition struct {
	index  int
	stream string
	prefix string // of subjects
	opener *jsstream.Opener
}

// New makes a Store. It does no I/O.
func New(cfg Config) (*Store, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("history store: %w", err)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, err
	}
	s := &Store{
		conn: cfg.Conn, js: js, timeout: cfg.Timeout, calls: cfg.Calls, writes: make(chan *write, maxWrites),
		window: cfg.DedupeWindow, age: new(atomic.Int64),
	}
	s.setAge(cfg.Rule.Age)
	placement := &jsstream.Placement{Patience: jsstream.DefaultPatience}
	for i := range partitions {
		s.partitions[i] = newPartition(cfg, js, i, s.age, placement)
	}
	return s, nil
}

func (s *Store) setAge(age time.Duration) { s.age.Store(int64(max(age, s.window+afterWindow))) }

// Reage has entries kept for as long as a rule says now, those that are stored already, too. Streams that were not found now are changed
// when they are used next.
func (s *Store) Reage(ctx context.Context, age time.Duration) {
	was := s.age.Load()
	if s.setAge(age); s.age.Load() == was {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, p := range s.partitions {
		if p.opener.IsOpen() {
			p.opener.Reopen()
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, s.timeout)
				defer cancel()
				_ = p.opener.Open(ctx) // whoever uses it next tries again
			})
		}
	}
}

func (cfg *Config) check() error {
	switch {
	case cfg.Conn == nil:
		return errors.New("no connection")
	case cfg.Rule == nil:
		return errors.New("no rule")
	case cfg.Rule.Name == "" || natskey.Escape(cfg.Rule.Name) != cfg.Rule.Name:
		return fmt.Errorf("rule %q: not a name", cfg.Rule.Name)
	case cfg.Replicas < 0 || cfg.Replicas > 5:
		return errors.New("replicas out of 0–5")
	}
	return nil
}

func newPartition(cfg Config, js jetstream.JetStream, i int, age *atomic.Int64, placement *jsstream.Placement) *partition {
	p := &partition{index: i, stream: streamName(cfg.Rule.Name, i), prefix: prefixOf(cfg.Rule.Name, i)}
	p.opener = jsstream.NewOpener(jsstream.Config{
		JetStream: js,
		Stream:    streamConfig(p, time.Duration(age.Load())),
		Replicas:  cfg.Replicas,
		Placement: placement,
		Log:       cfg.Log,
		Mend: func(c *jetstream.StreamConfig) bool {
			now := time.Duration(age.Load())
			differs := c.MaxAge != now
			c.MaxAge = now
			return differs
		},
	})
	return p
}

func streamConfig(p *partition, age time.Duration) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              p.stream,
		Description:       "history of topics and rooms",
		Subjects:          []string{p.prefix + ">"},
		Storage:           jetstream.FileStorage,
		MaxAge:            age,
		MaxMsgsPerSubject: -1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Discard:           jetstream.DiscardNew,
		Duplicates:        min(age, time.Second), // by message id, of which there are none: the writes' condition does it
		DenyDelete:        true,
		AllowDirect:       true,
	}
}

func (s *Store) partition(key string) *partition { return s.partitions[partitionOf(key)] }

// call does one call of a stream within the bounds, with the stream open, and counts it.
func (s *Store) call(ctx context.Context, name string, p *partition, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := jsstream.Ask(bounded, p.opener.Open)
	if err == nil {
		if err = do(bounded); jsstream.Vanished(err) {
			p.opener.Reopen()
		}
	}
	err = sorted(ctx, err)
	s.note(p, name, err)
	return err
}
