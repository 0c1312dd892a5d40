package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

// Reasons for which connections end.
const (
	endHandshakeTimeout = "handshake_timeout"
	endRefused          = "refused"      // the handshake was answered with an HTTP error
	endHTTP             = "http"         // handed over to net/http
	endClosed           = "closed"       // closing handshake
	endGone             = "gone"         // end of stream or reset without one
	endProtocol         = "protocol"     // a violation of RFC 6455
	endTimeout          = "timeout"      // CLIENT_TIMEOUT
	endSlow             = "slow"         // outbox over its bound
	endExpired          = "expired"      // token
	endRevoked          = "revoked"      // token
	endDisconnected     = "disconnected" // by an operator
	endPolicy           = "policy"       // went on over a rate limit
	endShutdown         = "shutdown"
	endPanic            = "panic"
	endFailed           = "loop_failed"
	endResumed          = "resumed" // its session, elsewhere
)

// Reasons for which something is dropped.
const (
	dropConnectionLimit = "rate_limit_connection" // a message over the connection's limit
	dropUserLimit       = "rate_limit_user"       // one over the user's
	dropGlobalLimit     = "rate_limit_global"     // one over the cluster's

	dropUnavailable = "unavailable" // a message without a way to its owner
	dropOwnerLost   = "owner_lost"  // a message that a dead owner may or may not have had
	dropUpFull      = "up_full"     // an up batch over the link's bound
	dropFormat      = "format"      // a down batch or record that cannot be read
	dropStale       = "stale"       // a down batch of a dead owner, or for an earlier life of ours
	dropRepeat      = "repeat"      // a down batch that came twice, or behind a gap
	dropLost        = "link_lost"   // down batches that their owner dropped
)

type metrics struct {
	connections   prometheus.Gauge
	draining      prometheus.Gauge
	most          prometheus.Gauge
	accepted      prometheus.Counter
	ended         *prometheus.CounterVec
	handshakes    *prometheus.CounterVec
	renewals      *prometheus.CounterVec
	unchecked     prometheus.Counter
	framesIn      prometheus.Counter
	framesOut     prometheus.Counter
	bytesIn       prometheus.Counter
	bytesOut      prometheus.Counter
	writes        prometheus.Counter
	batchesIn     prometheus.Counter
	batchesOut    prometheus.Counter
	batchBytes    prometheus.Counter
	recordsOut    prometheus.Counter
	resent        prometheus.Counter
	dropped       *prometheus.CounterVec
	acceptErrors  prometheus.Counter
	panics        prometheus.Counter
	subscriptions prometheus.Gauge
	resyncs       prometheus.Counter
	resumes       *prometheus.CounterVec
	gaps          prometheus.Counter
	tails         prometheus.Counter
	repeats       prometheus.Counter
	holes         prometheus.Counter
	fetches       prometheus.Counter
	recovered     prometheus.Counter
	outboxBytes   prometheus.Gauge
	turnSeconds   prometheus.Histogram
	delivery      prometheus.Histogram
	globalDemand  prometheus.Gauge
	globalShare   prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := metric.For(reg, string(cluster.RoleGateway))
	return &metrics{
		connections:   f.Gauge(metric.GatewayConnections),
		draining:      f.Gauge(metric.GatewayDraining),
		most:          f.Gauge(metric.GatewayMaxConnections),
		accepted:      f.Counter(metric.GatewayAccepted),
		ended:         f.CounterVec(metric.GatewayEnded, "reason"),
		handshakes:    f.CounterVec(metric.GatewayHandshakes, "code", "reason"),
		renewals:      f.CounterVec(metric.GatewayRenewals, "outcome"),
		unchecked:     f.Counter(metric.GatewayUnchecked),
		framesIn:      f.Counter(metric.GatewayFramesIn),
		framesOut:     f.Counter(metric.GatewayFramesOut),
		bytesIn:       f.Counter(metric.GatewayBytesIn),
		bytesOut:      f.Counter(metric.GatewayBytesOut),
		writes:        f.Counter(metric.GatewayWrites),
		batchesIn:     f.Counter(metric.GatewayBatchesIn),
		batchesOut:    f.Counter(metric.GatewayBatchesOut),
		batchBytes:    f.Counter(metric.GatewayBatchBytes),
		recordsOut:    f.Counter(metric.GatewayRecordsOut),
		resent:        f.Counter(metric.GatewayBatchesResent),
		dropped:       f.CounterVec(metric.GatewayDropped, "reason"),
		acceptErrors:  f.Counter(metric.GatewayAcceptErrors),
		panics:        f.Counter(metric.GatewayPanics),
		subscriptions: f.Gauge(metric.GatewaySubscriptions),
		resyncs:       f.Counter(metric.GatewayResyncs),
		resumes:       f.CounterVec(metric.GatewayResumes, "outcome"),
		gaps:          f.Counter(metric.GatewayGaps),
		tails:         f.Counter(metric.GatewayTails),
		repeats:       f.Counter(metric.GatewayRepeats),
		holes:         f.Counter(metric.GatewayHoles),
		fetches:       f.Counter(metric.GatewayFetches),
		recovered:     f.Counter(metric.GatewayRecovered),
		outboxBytes:   f.Gauge(metric.GatewayOutboxBytes),
		globalDemand:  f.Gauge(metric.GatewayGlobalDemand),
		globalShare:   f.Gauge(metric.GatewayGlobalShare),
		turnSeconds:   f.Histogram(metric.GatewayTurnSeconds, []float64{25e-6, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, .1, .5, 1}),
		delivery:      f.Histogram(metric.GatewayDeliverySeconds, []float64{5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, .1, .25, .5, 1, 2.5, 5}),
	}
}

// tally counts within a turn, and adds to the metrics at its end.
type tally struct {
	framesIn, framesOut, bytesIn, bytesOut, writes int
	subscriptions, outbox                          int
}

// flushTally brings the metrics up to date.
func (l *loop) flushTally() {
	t, m := &l.tally, l.gw.metrics
	if *t == (tally{}) {
		return
	}
	l.subscribed += t.subscriptions
	l.waiting += t.outbox
	m.framesIn.Add(float64(t.framesIn))
	m.framesOut.Add(float64(t.framesOut))
	m.bytesIn.Add(float64(t.bytesIn))
	m.bytesOut.Add(float64(t.bytesOut))
	m.writes.Add(float64(t.writes))
	m.subscriptions.Add(float64(t.subscriptions))
	m.outboxBytes.Add(float64(t.outbox))
	*t = tally{}
}

func (m *metrics) addLink(s link.Stats) {
	m.batchesOut.Add(float64(s.Batches))
	m.batchBytes.Add(float64(s.Bytes))
	m.recordsOut.Add(float64(s.Records))
	m.resent.Add(float64(s.Resent))
	if s.Dropped > 0 {
		m.dropped.WithLabelValues(dropUpFull).Add(float64(s.Dropped))
	}
}
