package durable

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

const (
	// replicas are what a new bucket gets in a cluster.
	replicas = 3

	// markerTTL is how long a deletion leaves its marker: longer than any replica is behind and any
	// write is on its way.
	markerTTL = 10 * time.Minute

	// patience is how long a cluster that cannot place three replicas is given to grow, because one
	// that is starting shows its servers one by one and a bucket keeps the replicas it began with.
	patience = 30 * time.Second
)

// opener opens the bucket, or makes it.
type opener struct {
	js       jetstream.JetStream
	replicas int // 0: as many as there can be
	patience time.Duration
	log      *zap.Logger

	turn chan struct{} // held by who is opening

	mu     sync.Mutex
	opened bool      // guarded by mu
	handle handle    // guarded by mu: of the latest opening
	short  time.Time // owned by who holds turn: when there were first too few servers
}

// handle is an opened bucket.
type handle struct {
	stream jetstream.Stream
	ttl    bool // markers can vanish
}

func newOpener(js jetstream.JetStream, replicas int, log *zap.Logger) *opener {
	return &opener{js: js, replicas: replicas, patience: patience, log: log, turn: make(chan struct{}, 1)}
}

func (o *opener) isOpen() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened
}

// current is the bucket of a call that has opened it.
func (o *opener) current() handle {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.handle
}

// reopen makes the next call open the bucket again.
func (o *opener) reopen() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened = false
}

// open returns once the bucket is open. One caller asks for it, the others wait.
func (o *opener) open(ctx context.Context) error {
	if o.isOpen() {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case o.turn <- struct{}{}:
	}
	defer func() { <-o.turn }()
	if o.isOpen() {
		return nil
	}
	var s jetstream.Stream
	err := attempt(ctx, func(ctx context.Context) (err error) {
		s, err = o.find(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", bucket, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened, o.handle = true, handle{stream: s, ttl: s.CachedInfo().Config.AllowMsgTTL}
	return nil
}

// find looks for the bucket and makes it if there is none. Another process may do the same.
func (o *opener) find(ctx context.Context) (jetstream.Stream, error) {
	s, err := o.js.Stream(ctx, stream)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return s, err
	}
	n := o.replicas
	if n == 0 {
		n = replicas
	}
	s, err = o.js.CreateStream(ctx, streamConfig(n))
	if o.replicas == 0 && o.givesUp(err) {
		o.log.Warn("durable rooms are kept on one NATS server: there are not enough for three replicas", zap.Error(err))
		s, err = o.js.CreateStream(ctx, streamConfig(1))
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return o.js.Stream(ctx, stream)
	}
	return s, err
}

// givesUp tells whether err means that there will be no three replicas.
func (o *opener) givesUp(err error) bool {
	if hasCode(err, codeNoReplicas) {
		return true
	}
	if !hasCode(err, codeNoPeers, codeNoResources) {
		return false
	}
	if o.short.IsZero() {
		o.short = time.Now()
	}
	return time.Since(o.short) >= o.patience
}

// streamConfig is what nats.go makes of a bucket with one value per key, and markers that may vanish.
func streamConfig(n int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              stream,
		Description:       "durable rooms and their members",
		Subjects:          []string{subject + ">"},
		Storage:           jetstream.FileStorage,
		Replicas:          n,
		MaxMsgsPerSubject: 1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Discard:           jetstream.DiscardNew,
		Duplicates:        2 * time.Minute,
		AllowRollup:       true,
		DenyDelete:        true,
		AllowDirect:       true,
		AllowMsgTTL:       true,
	}
}
