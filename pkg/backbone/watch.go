package backbone

import (
	"errors"
	"math/bits"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// The kinds of realtime_nats_errors_total.
const (
	kindDisconnect = iota // the connection was lost
	kindSlow              // a subscription's buffer was full, messages were dropped
	kindPermission        // NATS forbids a subject
	kindAuth              // NATS refused the credentials on a reconnect
	kindOther
	kinds
)

var kindNames = [kinds]string{"disconnect", "slow_consumer", "permission", "auth", "other"}

// watch logs and counts what happens to one connection. All its methods run on
// the connection's own callback goroutine, one after the other.
type watch struct {
	log     *zap.Logger
	metrics *Metrics

	// Owned by the callback goroutine.
	server string        // the name of the one that we are, or were last, connected to
	seen   [kinds]uint64 // errors of each kind
}

func (w *watch) connected(nc *nats.Conn) { w.server = nc.ConnectedServerName() }

func (w *watch) disconnected(_ *nats.Conn, err error) {
	if err == nil {
		return // we closed it
	}
	w.metrics.errors[kindDisconnect].Inc()
	w.log.Warn("NATS connection lost", zap.String("server", w.server), zap.Error(err))
}

func (w *watch) reconnected(nc *nats.Conn) {
	w.connected(nc)
	w.log.Info("NATS connection restored", zap.String("server", w.server))
}

// failed counts every error and logs the 1st, 2nd, 4th, 8th … of its kind: a
// subscription that cannot keep up reports thousands.
func (w *watch) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	kind := kindOf(err)
	w.metrics.errors[kind].Inc()
	w.seen[kind]++
	if bits.OnesCount64(w.seen[kind]) != 1 {
		return
	}
	fields := []zap.Field{zap.Error(err), zap.Uint64("errors", w.seen[kind])}
	if sub != nil {
		fields = append(fields, zap.String("subject", sub.Subject))
		if dropped, err := sub.Dropped(); err == nil {
			fields = append(fields, zap.Int("dropped", dropped))
		}
	}
	w.log.Warn("NATS error", fields...)
}

func (w *watch) closed(nc *nats.Conn) { w.metrics.remove(nc) }

func kindOf(err error) int {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		return kindSlow
	case errors.Is(err, nats.ErrPermissionViolation):
		return kindPermission
	case refused(err):
		return kindAuth
	default:
		return kindOther
	}
}
