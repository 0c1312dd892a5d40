package ops

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Part is a part of the process that can be well or not.
type Part struct {
	Name string

	// Ready reports why the part cannot do its work now, nil when it can. It does not block.
	Ready func() error

	// Live reports that the part will not come back by itself, nil while it may. It does not block. A nil Live is always alive.
	Live func() error

	// Vital: without this part nothing works. An unready part that is not vital makes the
	// process degraded, a vital one unhealthy and unready.
	Vital bool
}

// Config is what the pages tell.
type Config struct {
	Version  string
	Protocol string
	Role     string
	Node     string
	Features []string
	Settings map[string]string // without secrets
	Parts    []Part
	Gatherer prometheus.Gatherer

	Registerer prometheus.Registerer // of the metrics of these pages; nil: there are none

	Stats func() map[string]any // for /info; may be nil

	// Connections counts the open ones and their maximum; nil in roles without clients.
	Connections func() (open, most int)
}

type server struct {
	cfg   Config
	start time.Time
}

// New returns the handler of the operator's pages. Any other path is 404, as JSON.
func New(cfg Config) http.Handler {
	register(cfg)
	s := &server{cfg: cfg, start: time.Now()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", s.health)
	mux.HandleFunc("GET /livez", s.live)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /info", s.info)
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("/ws", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusBadRequest, "not a WebSocket request")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, "no such page")
	})
	return mux
}

// The states of a process, and but for StatusDegraded of its parts.
const (
	StatusHealthy   = "healthy"
	StatusDegraded  = "degraded"  // it works, without a part that is not vital
	StatusUnhealthy = "unhealthy" // not ready
)

// Component is what /health tells of a part.
type Component struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// Health is how the parts are, by name, and what follows for the whole.
func Health(parts []Part) (status string, components map[string]Component) {
	status = StatusHealthy
	components = make(map[string]Component, len(parts))
	for _, p := range parts {
		err := p.Ready()
		if err == nil {
			components[p.Name] = Component{Status: StatusHealthy}
			continue
		}
		components[p.Name] = Component{Status: StatusUnhealthy, Reason: err.Error()}
		if p.Vital {
			status = StatusUnhealthy
		} else if status == StatusHealthy {
			status = StatusDegraded
		}
	}
	return status, components
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	status, components := Health(s.cfg.Parts)
	code := http.StatusOK
	if status == StatusUnhealthy {
		code = http.StatusServiceUnavailable
	}
	body := map[string]any{
		"status":         status,
		"uptime_seconds": int(time.Since(s.start).Seconds()),
		"components":     components,
	}
	if s.cfg.Connections != nil {
		body["active_connections"], body["max_connections"] = s.cfg.Connections()
	}
	writeJSON(w, code, body)
}

func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	for _, p := range s.cfg.Parts {
		if err := p.Ready(); err != nil && p.Vital {
			writeError(w, http.StatusServiceUnavailable, p.Name+": "+err.Error())
			return
		}
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (s *server) live(w http.ResponseWriter, _ *http.Request) {
	for _, p := range s.cfg.Parts {
		if p.Live == nil {
			continue
		}
		if err := p.Live(); err != nil {
			writeError(w, http.StatusServiceUnavailable, p.Name+": "+err.Error())
			return
		}
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "live"})
}

func (s *server) info(w http.ResponseWriter, _ *http.Request) {
	body := map[string]any{
		"name":             "realtime",
		"version":          s.cfg.Version,
		"protocol_version": s.cfg.Protocol,
		"role":             s.cfg.Role,
		"node":             s.cfg.Node,
		"features":         s.cfg.Features,
		"settings":         s.cfg.Settings,
		"uptime_seconds":   int(time.Since(s.start).Seconds()),
	}
	if s.cfg.Stats != nil {
		body["stats"] = s.cfg.Stats()
	}
	writeJSON(w, http.StatusOK, body)
}

func writeError(w http.ResponseWriter, code int, message string) {
	writeJSON(w, code, map[string]any{"code": code, "message": message})
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // fails when the client is gone
}
