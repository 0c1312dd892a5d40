// Package jsstream has what several packages need of JetStream's streams and nats.go has not: finding or making
// a stream with as many replicas as there can be, and reads that go on when a server is lost.
package jsstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// Replicas are what a new stream gets in a cluster unless it is told how many.
const Replicas = 3

// DefaultPatience is how long a cluster that cannot place three replicas is given to grow, because one
// that is starting shows its servers one by one and a stream keeps the replicas it began with.
const DefaultPatience = 30 * time.Second

// Config is what an Opener is made of.
type Config struct {
	JetStream jetstream.JetStream
	Stream    jetstream.StreamConfig // of a new stream, but for Replicas
	Replicas  int                    // of a new stream; 0: three where there are as many servers, else one
	Placement *Placement             // may be shared by openers; nil: one of its own
	Log       *zap.Logger

	// Mend changes the configuration of a stream that was found, or is to be made, to what it should be, and reports whether it
	// did. Nil: a stream stays as it is.
	Mend func(*jetstream.StreamConfig) bool
}

// Placement knows since when a cluster has had too few servers. Safe for concurrent use.
type Placement struct {
	Patience time.Duration // static

	mu    sync.Mutex
	short time.Time // guarded by mu: when there were first too few servers
}

// Opener opens a stream, or makes it. Safe for concurrent use.
type Opener struct {
	cfg  Config
	turn chan struct{} // held by who is opening

	mu     sync.Mutex
	opened bool             // guarded by mu
	stream jetstream.Stream // guarded by mu: of the latest opening
}

// NewOpener makes an Opener. It does no I/O.
func NewOpener(cfg Config) *Opener {
	if cfg.Placement == nil {
		cfg.Placement = &Placement{Patience: DefaultPatience}
	}
	return &Opener{cfg: cfg, turn: make(chan struct{}, 1)}
}

// IsOpen reports whether the stream was opened, and not given up since.
func (o *Opener) IsOpen() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened
}

// Stream is what a call got that has opened it.
func (o *Opener) Stream() jetstream.Stream {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stream
}

// Reopen makes the next Open look for the stream again.
func (o *Opener) Reopen() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened = false
}

// Open returns once the stream is open. One caller asks for it, the others wait.
func (o *Opener) Open(ctx context.Context) error {
	if o.IsOpen() {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case o.turn <- struct{}{}:
	}
	defer func() { <-o.turn }()
	if o.IsOpen() {
		return nil
	}
	var s jetstream.Stream
	err := Attempt(ctx, func(ctx context.Context) (err error) {
		s, err = o.find(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("open stream %s: %w", o.cfg.Stream.Name, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened, o.stream = true, s
	return nil
}

// find looks for the stream and makes it if there is none. Another process may do the same.
func (o *Opener) find(ctx context.Context) (jetstream.Stream, error) {
	s, err := o.look(ctx)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return s, err
	}
	s, err = o.make(ctx)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return o.look(ctx)
	}
	return s, err
}

func (o *Opener) look(ctx context.Context) (jetstream.Stream, error) {
	s, err := o.cfg.JetStream.Stream(ctx, o.cfg.Stream.Name)
	if err != nil || o.cfg.Mend == nil {
		return s, err
	}
	if cfg := s.CachedInfo().Config; o.cfg.Mend(&cfg) {
		return o.cfg.JetStream.UpdateStream(ctx, cfg)
	}
	return s, nil
}

func (o *Opener) make(ctx context.Context) (jetstream.Stream, error) {
	cfg := o.cfg.Stream
	if o.cfg.Mend != nil {
		o.cfg.Mend(&cfg)
	}
	if cfg.Replicas = o.cfg.Replicas; cfg.Replicas == 0 {
		cfg.Replicas = Replicas
	}
	s, err := o.cfg.JetStream.CreateStream(ctx, cfg)
	if o.cfg.Replicas == 0 && o.cfg.Placement.givesUp(err) {
		refusal := err
		cfg.Replicas = 1
		if s, err = o.cfg.JetStream.CreateStream(ctx, cfg); err == nil {
			o.cfg.Log.Warn("stream made on one NATS server: there are not enough for three replicas",
				zap.String("stream", cfg.Name), zap.Error(refusal))
		}
		return s, err
	}
	if err == nil {
		o.cfg.Log.Info("stream made", zap.String("stream", cfg.Name), zap.Int("replicas", cfg.Replicas))
	}
	return s, err
}

// givesUp tells whether err means that there will be no three replicas.
func (p *Placement) givesUp(err error) bool {
	if HasCode(err, CodeNoReplicas) {
		return true
	}
	if !HasCode(err, CodeNoPeers, CodeNoResources) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.short.IsZero() {
		p.short = time.Now()
	}
	return time.Since(p.short) >= p.Patience
}
