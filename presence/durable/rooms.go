package durable

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// DefaultTimeout bounds a call unless Config.Timeout does.
const DefaultTimeout = 2 * time.Second

// Config is what Rooms are made of.
type Config struct {
	Conn     *nats.Conn
	Replicas int           // of a bucket that does not exist yet, 1–5; 0: 3 in a cluster of three or more, else 1
	Timeout  time.Duration // of one call, with all it does; 0: DefaultTimeout
	Log      *zap.Logger

	// Calls counts calls; labels call (load, create, put, drop, delete, user_rooms, add_user_room,
	// remove_user_room) and outcome (ok, not_found, exists, conflict, unavailable, error). May be nil.
	Calls *prometheus.CounterVec
}

// Rooms reads and writes durable rooms. Safe for concurrent use. Every call is bounded by its context
// and Config.Timeout, whichever ends first; a call that its context ended returns that context's error.
type Rooms struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	timeout time.Duration
	calls   *prometheus.CounterVec
	opener  *jsstream.Opener

	readOnly atomic.Bool // the latest write found nobody
}

// New makes Rooms. It does no I/O: the bucket is opened, or made, by the first call that succeeds.
func New(cfg Config) (*Rooms, error) {
	if cfg.Conn == nil {
		return nil, errors.New("durable rooms: no connection")
	}
	if cfg.Replicas < 0 || cfg.Replicas > 5 {
		return nil, errors.New("durable rooms: replicas out of 0–5")
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
	return &Rooms{
		conn:    cfg.Conn,
		js:      js,
		timeout: cfg.Timeout,
		calls:   cfg.Calls,
		opener:  newOpener(js, cfg.Replicas, jsstream.DefaultPatience, cfg.Log),
	}, nil
}

// Probe is nil when what is written can be stored.
func (r *Rooms) Probe(ctx context.Context) error { return jsstream.Led(ctx, r.js, stream) }

// ReadOnly reports whether the latest write found nobody: replicas that have lost their majority can still be read.
func (r *Rooms) ReadOnly() bool { return r.readOnly.Load() }

// call does one call within the bounds, with the bucket open, and counts it.
func (r *Rooms) call(ctx context.Context, name string, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := r.opener.Open(bounded)
	if err == nil {
		if err = do(bounded); jsstream.Vanished(err) {
			r.opener.Reopen()
		}
	}
	err = sorted(ctx, err)
	if name != "load" && name != "user_rooms" {
		r.readOnly.Store(errors.Is(err, ErrUnavailable))
	}
	if r.calls != nil {
		r.calls.WithLabelValues(name, outcome(err)).Inc()
	}
	return err
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrNotFound):
		return "not_found"
	case errors.Is(err, ErrExists):
		return "exists"
	case errors.Is(err, ErrConflict):
		return "conflict"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	default:
		return "error"
	}
}

// pause is the time between two looks at what is changing or still on its way to a replica.
const pause = 2 * time.Millisecond
