package store

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/circuit"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

// dependency is the label of the breaker's metrics.
const dependency = "redis"

// metrics of one Store. Safe for concurrent use.
type metrics struct {
	breaker circuit.Metrics

	connection, timeout, reply, refused prometheus.Counter // failed calls

	appended, repeated, expired, removed prometheus.Counter // direct messages
	fullCount, fullBytes                 prometheus.Counter

	seenPending                        prometheus.Gauge
	seenWritten                        prometheus.Counter
	seenFull, seenRefused, seenStopped prometheus.Counter // dropped

	sessionsPending                                prometheus.Gauge
	sessionsWritten, sessionsTouched               prometheus.Counter
	sessionsTaken, sessionsMissed, sessionsLost    prometheus.Counter
	sessionsFull, sessionsRefused, sessionsStopped prometheus.Counter // dropped

	families           *prometheus.CounterVec // by outcome
	revocations        prometheus.Gauge
	revocationsSeen    *prometheus.CounterVec // by kind
	revocationsLoaded  prometheus.Counter
	revocationsRetold  prometheus.Counter
	revocationsDropped prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, role string) (*metrics, error) {
	f := metric.For(reg, role)
	errors := f.CounterVec(metric.RedisErrors, "kind")
	full := f.CounterVec(metric.QueueRefused, "bound")
	dropped := f.CounterVec(metric.SeenDropped, "reason")
	taken := f.CounterVec(metric.SessionsTaken, "outcome")
	lapsed := f.CounterVec(metric.SessionsDropped, "reason")
	m := &metrics{
		breaker:    circuit.NewMetrics(f, dependency),
		connection: errors.WithLabelValues("connection"),
		timeout:    errors.WithLabelValues("timeout"),
		reply:      errors.WithLabelValues("reply"),
		refused:    errors.WithLabelValues("refused"),
		appended:   f.Counter(metric.QueueAppended),
		repeated:   f.Counter(metric.QueueRepeated),
		expired:    f.Counter(metric.QueueExpired),
		removed:    f.Counter(metric.QueueRemoved),
		fullCount:  full.WithLabelValues("count"),
		fullBytes:  full.WithLabelValues("bytes"),

		seenPending: f.Gauge(metric.SeenPending),
		seenWritten: f.Counter(metric.SeenWritten),
		seenFull:    dropped.WithLabelValues("full"),
		seenRefused: dropped.WithLabelValues("refused"),
		seenStopped: dropped.WithLabelValues("stopped"),

		sessionsPending: f.Gauge(metric.SessionsPending),
		sessionsWritten: f.Counter(metric.SessionsWritten),
		sessionsTouched: f.Counter(metric.SessionsTouched),
		sessionsTaken:   taken.WithLabelValues("taken"),
		sessionsMissed:  taken.WithLabelValues("none"),
		sessionsLost:    f.Counter(metric.SessionsLost),
		sessionsFull:    lapsed.WithLabelValues("full"),
		sessionsRefused: lapsed.WithLabelValues("refused"),
		sessionsStopped: lapsed.WithLabelValues("stopped"),

		families:           f.CounterVec(metric.TokenFamilies, "outcome"),
		revocations:        f.Gauge(metric.Revocations),
		revocationsSeen:    f.CounterVec(metric.RevocationsSeen, "kind"),
		revocationsLoaded:  f.Counter(metric.RevocationsLoaded),
		revocationsRetold:  f.Counter(metric.RevocationsRetold),
		revocationsDropped: f.Counter(metric.RevocationsDropped),
	}
	for _, outcome := range []string{"used", "reused", "revoked", "unknown"} {
		m.families.WithLabelValues(outcome)
	}
	for _, kind := range []Kind{KindUser, KindToken, KindFamily, KindDisconnect} {
		m.revocationsSeen.WithLabelValues(string(kind))
	}
	return m, f.Err()
}
