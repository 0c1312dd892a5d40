package presence

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

type metrics struct {
	users       prometheus.Gauge
	connections prometheus.Gauge
	rooms       prometheus.Gauge
	delivers    prometheus.Counter
	direct      prometheus.Counter
	queued      prometheus.Counter
	flushed     prometheus.Counter
	redirected  prometheus.Counter
	messages    prometheus.Counter
	changes     prometheus.Counter
	resyncs     prometheus.Counter
	heldFull    prometheus.Counter
	roomFull    prometheus.Counter
	overload    prometheus.Counter
	indexFull   prometheus.Counter
	unverified  prometheus.Counter
	durable     *prometheus.CounterVec
}

// Reasons for which something is dropped.
const (
	dropHeldFull  = "held_full"  // a direct message, while the user's queue was read or written
	dropRoomFull  = "room_full"  // a request, while the room was read or written
	dropCrewFull  = "crew_full"  // a call to Redis or JetStream
	dropIndexFull = "index_full" // an entry in the list of a user's durable rooms
	dropTrackFull = "track_full" // how far a gateway has got in a room's history
)

func newMetrics(reg prometheus.Registerer) *metrics {
	f := metric.For(reg, string(cluster.RolePresence))
	dropped := f.CounterVec(metric.PresenceDropped, "reason")
	return &metrics{
		users:       f.Gauge(metric.PresenceUsers),
		connections: f.Gauge(metric.PresenceConnections),
		rooms:       f.Gauge(metric.PresenceRooms),
		delivers:    f.Counter(metric.PresenceDelivers),
		direct:      f.Counter(metric.PresenceDirect),
		queued:      f.Counter(metric.PresenceQueued),
		flushed:     f.Counter(metric.PresenceFlushed),
		redirected:  f.Counter(metric.PresenceRedirected),
		messages:    f.Counter(metric.PresenceRoomMessages),
		changes:     f.Counter(metric.PresenceChanges),
		resyncs:     f.Counter(metric.PresenceResyncs),
		heldFull:    dropped.WithLabelValues(dropHeldFull),
		roomFull:    dropped.WithLabelValues(dropRoomFull),
		overload:    dropped.WithLabelValues(dropCrewFull),
		indexFull:   dropped.WithLabelValues(dropIndexFull),
		unverified:  dropped.WithLabelValues(dropTrackFull),
		durable:     f.CounterVec(metric.PresenceDurableCalls, "call", "outcome"),
	}
}
