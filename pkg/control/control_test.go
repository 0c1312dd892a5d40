package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/backbone"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/ops"
)

// connect starts a NATS server, and connects to it.
func connect(t *testing.T) *nats.Conn {
	t.Helper()
	server, err := backbone.StartEmbedded(backbone.EmbeddedConfig{DataDir: t.TempDir(), Name: "n", Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	conn, err := nats.Connect("", nats.InProcessServer(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// serve runs a Server until the test ends, and waits until it listens.
func serve(t *testing.T, cfg Config) *Server {
	t.Helper()
	cfg.Log = zap.NewNop()
	if cfg.Gatherer == nil {
		cfg.Gatherer = prometheus.NewRegistry()
	}
	s := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	client := NewClient(cfg.Conn, "test")
	for {
		if _, err := client.Report(t.Context(), s.id); err == nil {
			return s
		} else if !errors.Is(err, ErrNobody) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestReports(t *testing.T) {
	conn := connect(t)
	client := NewClient(conn, "test")
	if _, err := client.Reports(t.Context()); !errors.Is(err, ErrNobody) {
		t.Errorf("without processes: %v", err)
	}
	reg := prometheus.NewRegistry()
	f := metric.For(reg, "gateway")
	f.Gauge(metric.Metric{Name: "realtime_gateway_connections", Help: "x"}).Set(7)
	f.GaugeVec(metric.Metric{Name: "realtime_view_nodes", Help: "x"}, "view", "state").WithLabelValues("router", "active").Set(3)
	states := f.GaugeVec(metric.Metric{Name: "realtime_breaker_state", Help: "x"}, "dependency")
	states.WithLabelValues("redis").Set(2)
	states.WithLabelValues("jetstream").Set(0)
	delivery := f.Histogram(metric.Metric{Name: "realtime_gateway_delivery_seconds", Help: "x"}, []float64{1, 2})
	delivery.Observe(.5)
	delivery.Observe(3)
	serve(t, Config{Conn: conn, Node: "b", Role: "gateway", Gatherer: reg, Parts: []ops.Part{
		{Name: "good", Ready: func() error { return nil }},
		{Name: "bad", Ready: func() error { return errors.New("broken") }},
	}})
	serve(t, Config{Conn: conn, Node: "a", Role: "router"})
	serve(t, Config{Conn: conn, Node: "a", Role: "gateway"})

	reports, err := client.Reports(t.Context())
	if err != nil || len(reports) != 3 {
		t.Fatalf("%d reports, %v", len(reports), err)
	}
	for i, want := range []string{"gateway a", "gateway b", "router a"} {
		if got := reports[i].Role + " " + reports[i].Node; got != want {
			t.Errorf("report %d is of %s, want %s", i, got, want)
		}
	}
	r := reports[1]
	if r.Status != "degraded" || len(r.Troubles) != 1 || r.Troubles["bad"] != "broken" {
		t.Errorf("status %s, troubles %v", r.Status, r.Troubles)
	}
	if r.Figures["realtime_gateway_connections"] != 7 || r.Views["router"].Active != 3 ||
		r.Breakers["redis"] != "open" || r.Breakers["jetstream"] != "closed" {
		t.Errorf("figures %v, views %v, breakers %v", r.Figures, r.Views, r.Breakers)
	}
	if want := []Bucket{{1, 1}, {2, 1}, {0, 2}}; len(r.Delivery) != 3 || r.Delivery[0] != want[0] || r.Delivery[1] != want[1] || r.Delivery[2] != want[2] {
		t.Errorf("delivery %v, want %v", r.Delivery, want)
	}
}

func TestActions(t *testing.T) {
	conn := connect(t)
	client := NewClient(conn, "test")
	if err := client.Disconnect(t.Context(), "alice"); !errors.Is(err, ErrNobody) {
		t.Errorf("disconnect without gateways: %v", err)
	}
	drained := make(chan string, 10)
	gone := make(chan string, 10)
	drain := func(node string) func() { return func() { drained <- node } }
	router := serve(t, Config{Conn: conn, Role: "router", Drain: drain("router")})
	away := false
	for range 2 {
		serve(t, Config{Conn: conn, Role: "gateway", Drain: drain("gateway"), Disconnect: func(_ context.Context, user string) error {
			if away {
				return errors.New("Redis is away")
			}
			gone <- user
			return nil
		}})
	}

	if err := client.Drain(t.Context(), router.id); err != nil {
		t.Error(err)
	}
	if err := client.Disconnect(t.Context(), "alice"); err != nil {
		t.Error(err)
	}
	if len(drained) != 1 || <-drained != "router" || len(gone) != 1 || <-gone != "alice" {
		t.Errorf("%d drained, %d disconnects", len(drained), len(gone))
	}
	away = true
	for user, want := range map[string]string{"alice": "Redis is away", "": "user: "} {
		if err := client.Disconnect(t.Context(), user); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("disconnect %q: %v, want %s", user, err, want)
		}
	}
	if err := client.Drain(t.Context(), "nobody"); !errors.Is(err, ErrNobody) {
		t.Errorf("drain of nobody: %v", err)
	}
	for ask, want := range map[string]string{`{`: "not a request", `{"action":"explode"}`: `no such action "explode"`, `{"action":"disconnect","user":"a"}`: "no such action"} {
		m, err := conn.Request("rt.control.process."+router.id, []byte(ask), time.Second)
		if _, err = readReply(m, err); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", ask, err, want)
		}
	}
	conn.Close()
}

func TestQuantile(t *testing.T) {
	earlier := []Bucket{{1, 10}, {2, 10}, {0, 10}}
	later := []Bucket{{1, 60}, {2, 110}, {0, 110}}
	for _, tt := range []struct {
		q              float64
		earlier, later []Bucket
		want           float64
		ok             bool
	}{
		{.75, earlier, later, 1.5, true},
		{.5, earlier, later, 1, true},
		{.25, earlier, later, .5, true},
		{1, earlier, later, 2, true},
		{.5, later, later, 0, false},
		{.5, nil, nil, 0, false},
		{.99, nil, []Bucket{{1, 1}, {2, 1}, {0, 100}}, 2, true}, // beyond the last bound
	} {
		if got, ok := Quantile(tt.q, tt.earlier, tt.later); ok != tt.ok || got < tt.want-1e-9 || got > tt.want+1e-9 {
			t.Errorf("%v of %v to %v: %v %v, want %v %v", tt.q, tt.earlier, tt.later, got, ok, tt.want, tt.ok)
		}
	}
}
