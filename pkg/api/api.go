// Package api is what a gateway serves by HTTP besides the operator's pages: POST /sessions/refresh for clients, and POST
// /admin/revoke and /admin/disconnect for operators. docs/TOKENS.md is the contract.
//
// A request is weighed before it costs anything: by the address that it comes from, then by how many are under way.
package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/web"
)

const (
	// Admin is the permission, of the claim permissions, that lets an access token's bearer revoke and disconnect.
	Admin = "realtime.admin"

	bodyMost = 16 << 10
	// underWay is how many requests are dealt with at a time: they wait for Redis, and check signatures.
	underWay = 64
	// bodyTime bounds how long a request's body may take to come.
	bodyTime = 2 * time.Second
	// callTime bounds what one waits for Redis.
	callTime = 5 * time.Second
	// retryLater is when to come back where nobody knows better.
	retryLater = 2 * time.Second
)

// Config is what the pages need.
type Config struct {
	Refresher   *auth.Refresher    // nil: there are no refresh tokens here, as JWT_SECRET is not set
	Revocations *store.Revocations // nil: nothing can be revoked
	Verifier    *auth.Verifier     // of operators' tokens, and of those that are to be revoked
	Leeway      time.Duration      // JWT_LEEWAY

	Origins *web.Origins // of pages that may ask
	Proxies web.Proxies
	RPS     int // requests a second from one address; 0: any number
	Burst   int

	Log        *zap.Logger
	Registerer prometheus.Registerer
	Role       string // label of the metrics
}

type server struct {
	cfg       Config
	addresses *addresses
	slots     chan struct{} // holds one for each request under way
	requests  *prometheus.CounterVec
}

// New returns the handler of these pages, which gives every other request to next.
func New(cfg Config, next http.Handler) http.Handler {
	s := &server{cfg: cfg, addresses: newAddresses(cfg.RPS, cfg.Burst), slots: make(chan struct{}, underWay)}
	s.requests = metric.For(cfg.Registerer, cfg.Role).CounterVec(metric.APIRequests, "page", "code")
	mux := http.NewServeMux()
	mux.Handle("/sessions/refresh", s.page("refresh", s.refresh))
	mux.Handle("/admin/revoke", s.page("revoke", s.admin(s.revoke)))
	mux.Handle("/admin/disconnect", s.page("disconnect", s.admin(s.disconnect)))
	mux.Handle("/", next)
	return mux
}

// page serves one of the pages: do answers what passed all that they have in common.
func (s *server) page(name string, do func(context.Context, *http.Request) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		a := s.answer(w, r, do)
		s.requests.WithLabelValues(name, strconv.Itoa(a.code)).Inc()
		a.write(w)
	})
}

// answer decides in the order of what things cost.
func (s *server) answer(w http.ResponseWriter, r *http.Request, do func(context.Context, *http.Request) answer) answer {
	h := w.Header()
	origin := r.Header.Get("Origin")
	h.Add("Vary", "Origin")
	if !s.cfg.Origins.Allow(origin) {
		return refuse(http.StatusForbidden, "origin not allowed")
	}
	if origin != "" { // no cookie is read: nothing is anybody's but by the token that the page has
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Retry-After")
	}
	if r.Method == http.MethodOptions {
		h.Set("Allow", "OPTIONS, POST")
		h.Set("Access-Control-Allow-Methods", "POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		h.Set("Access-Control-Max-Age", "600")
		return answer{code: http.StatusNoContent}
	}
	if r.Method != http.MethodPost {
		h.Set("Allow", "OPTIONS, POST")
		return refuse(http.StatusMethodNotAllowed, "only POST")
	}
	if wait, ok := s.addresses.take(s.address(r), time.Now()); !ok {
		a := refuse(http.StatusTooManyRequests, "too many requests from this address")
		a.limit, a.retry = "address", wait
		return a
	}
	if no := receive(w, r); no != nil {
		return *no
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return away("too many requests at once")
	}
	ctx, cancel := context.WithTimeout(r.Context(), callTime)
	defer cancel()
	return do(ctx, r)
}

// address is where a request comes from.
func (s *server) address(r *http.Request) netip.Prefix {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // which net/http has written
	return web.Household(s.cfg.Proxies.Client(peer.Addr(), r.Header.Values("X-Forwarded-For")))
}

// refresh exchanges a refresh token for the next pair.
func (s *server) refresh(ctx context.Context, r *http.Request) answer {
	if s.cfg.Refresher == nil {
		return refuse(http.StatusNotFound, "refresh tokens need JWT_SECRET")
	}
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	if no := read(r, &body); no != nil {
		return *no
	}
	if body.RefreshToken == "" {
		return refuse(http.StatusBadRequest, "refresh_token: missing")
	}
	pair, err := s.cfg.Refresher.Refresh(ctx, body.RefreshToken)
	switch {
	case errors.Is(err, auth.ErrFamiliesAway):
		s.cfg.Log.Debug("refresh a token", zap.Error(err))
		return away(auth.ErrFamiliesAway.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return away(auth.ErrFamiliesAway.Error())
	case err != nil:
		return refuse(http.StatusUnauthorized, err.Error())
	}
	return answer{code: http.StatusOK, body: pair.Response()}
}

// seconds rounds up, to at least one.
func seconds(d time.Duration) int64 { return max(1, int64(math.Ceil(d.Seconds()))) }
