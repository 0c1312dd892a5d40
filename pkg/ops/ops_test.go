package ops

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func is(err error) func() error { return func() error { return err } }

var (
	well   = Part{Name: "router", Ready: is(nil), Vital: true}
	ill    = Part{Name: "nats", Ready: is(errors.New("not connected")), Vital: true}
	lesser = Part{Name: "redis", Ready: is(errors.New("breaker open"))}
)

// get asks for a page. The answer has to be JSON unless it is the metrics'.
func get(t *testing.T, h http.Handler, method, path string) (code int, body map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s is of type %q", path, got)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s may be cached: %q", path, got)
	}
	return w.Code, body
}

func TestHealth(t *testing.T) {
	healthy := map[string]any{"status": "healthy"}
	notConnected := map[string]any{"status": "unhealthy", "reason": "not connected"}
	open := map[string]any{"status": "unhealthy", "reason": "breaker open"}
	tests := []struct {
		name       string
		parts      []Part
		code       int
		status     string
		components map[string]any
		ready      int
	}{
		{"nothing to go wrong", nil, 200, "healthy", map[string]any{}, 200},
		{"all well", []Part{well}, 200, "healthy", map[string]any{"router": healthy}, 200},
		{"a lesser part is away", []Part{well, lesser}, 200, "degraded", map[string]any{"router": healthy, "redis": open}, 200},
		{"a vital part is away", []Part{ill, well}, 503, "unhealthy", map[string]any{"nats": notConnected, "router": healthy}, 503},
		{"both, the lesser first", []Part{lesser, ill}, 503, "unhealthy", map[string]any{"nats": notConnected, "redis": open}, 503},
		{"both, the vital first", []Part{ill, lesser}, 503, "unhealthy", map[string]any{"nats": notConnected, "redis": open}, 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := New(Config{Parts: tt.parts, Connections: func() (int, int) { return 3, 10000 }})
			code, body := get(t, h, "GET", "/health")
			want := map[string]any{
				"status": tt.status, "components": tt.components, "uptime_seconds": 0.0,
				"active_connections": 3.0, "max_connections": 10000.0,
			}
			if code != tt.code || !reflect.DeepEqual(body, want) {
				t.Errorf("%d %v\nwant %d %v", code, body, tt.code, want)
			}
			if code, body := get(t, h, "GET", "/readyz"); code != tt.ready {
				t.Errorf("/readyz: %d %v, want %d", code, body, tt.ready)
			}
			if code, body := get(t, h, "GET", "/livez"); code != 200 {
				t.Errorf("/livez: %d %v: what may come back by itself is not dead", code, body)
			}
		})
	}
	// A role without clients has no connections to tell of.
	_, body := get(t, New(Config{Parts: []Part{well}}), "GET", "/health")
	if keys := slices.Sorted(maps.Keys(body)); !slices.Equal(keys, []string{"components", "status", "uptime_seconds"}) {
		t.Errorf("without clients: %v", keys)
	}
}

func TestReady(t *testing.T) {
	if code, body := get(t, New(Config{Parts: []Part{well}}), "GET", "/readyz"); code != 200 || body["status"] != "ready" {
		t.Errorf("ready: %d %v", code, body)
	}
	code, body := get(t, New(Config{Parts: []Part{well, ill}}), "GET", "/readyz")
	if want := map[string]any{"code": 503.0, "message": "nats: not connected"}; code != 503 || !reflect.DeepEqual(body, want) {
		t.Errorf("unready: %d %v", code, body)
	}
}

func TestLive(t *testing.T) {
	h := New(Config{Parts: []Part{
		{Name: "a", Ready: is(nil)}, {Name: "b", Ready: is(nil), Live: is(nil)}, {Name: "loop", Ready: is(nil), Live: is(errors.New("stuck"))},
	}})
	code, body := get(t, h, "GET", "/livez")
	if want := map[string]any{"code": 503.0, "message": "loop: stuck"}; code != 503 || !reflect.DeepEqual(body, want) {
		t.Errorf("stuck: %d %v", code, body)
	}
	h = New(Config{Parts: []Part{{Name: "b", Ready: is(nil), Live: is(nil)}}})
	if code, body := get(t, h, "GET", "/livez"); code != 200 || body["status"] != "live" {
		t.Errorf("live: %d %v", code, body)
	}
}

func TestInfo(t *testing.T) {
	cfg := Config{
		Version: "1.2.3", Protocol: "1", Role: "gateway", Node: "node-1", Features: []string{"topics"},
		Settings: map[string]string{"PORT": "8081"},
		Stats:    func() map[string]any { return map[string]any{"connections": 5} },
	}
	synctest.Test(t, func(t *testing.T) {
		h := New(cfg)
		time.Sleep(90*time.Second + time.Millisecond)
		code, body := get(t, h, "GET", "/info")
		want := map[string]any{
			"name": "realtime", "version": "1.2.3", "protocol_version": "1", "role": "gateway", "node": "node-1",
			"features": []any{"topics"}, "settings": map[string]any{"PORT": "8081"}, "uptime_seconds": 90.0,
			"stats": map[string]any{"connections": 5.0},
		}
		if code != 200 || !reflect.DeepEqual(body, want) {
			t.Errorf("%d %v\nwant %v", code, body, want)
		}
	})
	cfg.Stats = nil
	if _, body := get(t, New(cfg), "GET", "/info"); body["stats"] != nil {
		t.Errorf("stats %v", body["stats"])
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "realtime_tests_total", Help: "Tests."})
	reg.MustRegister(c)
	c.Inc()
	w := httptest.NewRecorder()
	New(Config{Gatherer: reg}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "realtime_tests_total 1") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestOtherPages(t *testing.T) {
	h := New(Config{Parts: []Part{well}})
	for _, tt := range []struct {
		method, path string
		code         int
	}{
		{"GET", "/", 404},
		{"GET", "/nothing", 404},
		{"GET", "/health/more", 404},
		{"POST", "/nothing", 404},
		{"GET", "/ws", 400},
		{"POST", "/ws", 400},
	} {
		code, body := get(t, h, tt.method, tt.path)
		message, _ := body["message"].(string)
		if code != tt.code || body["code"] != float64(tt.code) || message == "" || len(body) != 2 {
			t.Errorf("%s %s: %d %v, want %d", tt.method, tt.path, code, body, tt.code)
		}
	}
}
