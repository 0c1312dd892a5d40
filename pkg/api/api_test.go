package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/realtime-cluster/realtime/pkg/api"
	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/web"
)

const secret = auth.Secret("a secret of the tests, and of nobody else")

// pages are the handler under test on a real port, with a store in memory behind it.
type pages struct {
	t           *testing.T
	url         string
	store       *store.Store
	revocations *store.Revocations
	verifier    *auth.Verifier
	registry    *prometheus.Registry
	logged      *observer.ObservedLogs
}

func serve(t *testing.T, tune func(*api.Config)) *pages {
	t.Helper()
	return serveOn(t, "", tune)
}

// serveOn is serve with a Redis.
func serveOn(t *testing.T, redis string, tune func(*api.Config)) *pages {
	t.Helper()
	core, logged := observer.New(zap.DebugLevel)
	p := &pages{t: t, registry: prometheus.NewRegistry(), logged: logged}
	var err error
	if p.store, err = store.Open(t.Context(), store.Config{URL: redis, Role: "test", Log: zap.NewNop()}); err != nil {
		t.Fatal(err)
	}
	p.revocations = store.NewRevocations(p.store, time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.store.Run(ctx) })
	wg.Go(func() { _ = p.revocations.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		p.store.Close()
	})
	if p.verifier, err = auth.New(t.Context(), auth.Config{Secret: secret}); err != nil {
		t.Fatal(err)
	}
	refresher, err := auth.NewRefresher(auth.RefreshConfig{
		Secret: secret, TTL: time.Hour, Families: store.NewFamilies(p.store, p.revocations), Revoked: p.revocations.Check,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := api.Config{
		Refresher: refresher, Revocations: p.revocations, Verifier: p.verifier,
		Origins: web.NewOrigins([]string{"https://example.com"}), Log: zap.New(core), Registerer: p.registry, Role: "gateway",
	}
	if tune != nil {
		tune(&cfg)
	}
	server := httptest.NewServer(api.New(cfg, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// got is an answer.
type got struct {
	code   int
	header http.Header
	body   gjson.Result
}

// ask sends a request with a body of type JSON, unless headers say otherwise.
func (p *pages) ask(method, path, body string, headers ...string) got {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	g := got{answer.StatusCode, answer.Header, gjson.ParseBytes(text)}
	if g.code != 204 && g.code != 418 {
		if g.header.Get("Cache-Control") != "no-store" || g.header.Get("Content-Type") != "application/json" || !gjson.ValidBytes(text) {
			p.t.Errorf("%s %s: %v %s", method, path, g.header, text)
		}
		if g.code != 200 && (g.body.Get("code").Int() != int64(g.code) || g.body.Get("message").Str == "" || strings.Contains(g.body.Raw, "eyJ")) {
			p.t.Errorf("%s %s: %d with %s", method, path, g.code, text)
		}
	}
	return g
}

func (p *pages) pair() auth.Pair {
	p.t.Helper()
	pair, err := auth.MintPair(secret, auth.TokenSpec{User: "alice", Roles: []string{"r"}, TTL: time.Minute}, time.Hour)
	if err != nil {
		p.t.Fatal(err)
	}
	return pair
}

func (p *pages) token(spec auth.TokenSpec) string {
	p.t.Helper()
	spec.TTL = time.Minute
	token, err := auth.Mint(secret, spec)
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

func refreshBody(s string) string { return fmt.Sprintf(`{"refresh_token":%q}`, s) }

// A refresh token is good for one pair, whose refresh token is good for the next. Used twice, none of them is good any more.
func TestRefresh(t *testing.T) {
	p := serve(t, nil)
	first := p.pair()
	token := first.Refresh.Reveal()
	var newest gjson.Result
	for range 3 {
		g := p.ask("POST", "/sessions/refresh", refreshBody(token))
		newest = g.body
		claims, err := p.verifier.Verify(g.body.Get("access_token").Str)
		if g.code != 200 || err != nil || claims.User != "alice" || claims.Family != first.Family || claims.Roles[0] != "r" ||
			g.body.Get("token_type").Str != "Bearer" || g.body.Get("expires_in").Int() != 60 {
			t.Fatalf("%d %s: %+v, %v", g.code, g.body.Raw, claims, err)
		}
		token = g.body.Get("refresh_token").Str
	}
	if g := p.ask("POST", "/sessions/refresh", refreshBody(first.Refresh.Reveal())); g.code != 401 || g.header.Get("WWW-Authenticate") == "" {
		t.Errorf("used twice: %d %s", g.code, g.body.Raw)
	}
	if g := p.ask("POST", "/sessions/refresh", refreshBody(newest.Get("refresh_token").Str)); g.code != 401 {
		t.Errorf("the newest, after that: %d %s", g.code, g.body.Raw)
	}
	claims, err := p.verifier.Verify(newest.Get("access_token").Str)
	if err != nil || p.revocations.Check(claims.User, claims.ID, claims.Family, claims.Since()) == nil {
		t.Errorf("its access token is still good: %v", err)
	}
}

func TestRefused(t *testing.T) {
	p := serve(t, nil)
	good := refreshBody(p.pair().Refresh.Reveal())
	for _, tt := range []struct {
		name, method, body string
		headers            []string
		code               int
	}{
		{"GET", "GET", "", nil, 405},
		{"PUT", "PUT", good, nil, 405},
		{"a form", "POST", good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"text", "POST", good, []string{"Content-Type", "text/plain"}, 415},
		{"no JSON", "POST", "{", nil, 400},
		{"no object", "POST", "[]", nil, 400},
		{"no member", "POST", "{}", nil, 400},
		{"not text", "POST", `{"refresh_token":1}`, nil, 400},
		{"two values", "POST", good + good, nil, 400},
		{"an unknown member", "POST", `{"refresh_token":"x","eyJ":1}`, nil, 400},
		{"too long", "POST", refreshBody(strings.Repeat("x", 17<<10)), nil, 413},
		{"garbage", "POST", refreshBody("x.y.z"), nil, 401},
		{"an access token", "POST", refreshBody(p.token(auth.TokenSpec{User: "alice"})), nil, 401},
		{"another page's", "POST", good, []string{"Origin", "https://evil.example"}, 403},
		{"an opaque origin", "POST", good, []string{"Origin", "null"}, 403},
		{"all is well", "POST", good, []string{"Content-Type", "application/json; charset=utf-8", "Origin", "https://example.com"}, 200},
	} {
		g := p.ask(tt.method, "/sessions/refresh", tt.body, tt.headers...)
		if g.code != tt.code {
			t.Errorf("%s: %d %s, want %d", tt.name, g.code, g.body.Raw, tt.code)
		}
		if g.code == 405 && g.header.Get("Allow") != "OPTIONS, POST" {
			t.Errorf("%s: Allow %q", tt.name, g.header.Get("Allow"))
		}
	}
	if g := p.ask("GET", "/health", ""); g.code != 418 {
		t.Errorf("/health: %d", g.code)
	}
	if n := testutil.CollectAndCount(p.registry, metric.APIRequests.Name); n < 6 {
		t.Errorf("%d series of requests", n)
	}
}

// A browser asks first, and is told that a page of an allowed origin may.
func TestPreflight(t *testing.T) {
	p := serve(t, nil)
	for _, path := range []string{"/sessions/refresh", "/admin/revoke", "/admin/disconnect"} {
		g := p.ask("OPTIONS", path, "", "Origin", "https://example.com", "Access-Control-Request-Method", "POST")
		h := g.header
		if g.code != 204 || h.Get("Access-Control-Allow-Origin") != "https://example.com" || h.Get("Access-Control-Allow-Methods") != "POST" ||
			h.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type" || h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, g.code, h)
		}
		if g := p.ask("OPTIONS", path, "", "Origin", "https://evil.example"); g.code != 403 || g.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", path, g.code, g.header)
		}
	}
}

// Operators revoke and disconnect; nobody else does.
func TestAdmin(t *testing.T) {
	p := serve(t, nil)
	told := make(chan store.Revocation, 10)
	other := store.NewRevocations(p.store, time.Hour)
	other.Notify(func(r store.Revocation) { told <- r })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = other.Run(ctx) }()
	defer func() { cancel(); <-done }()

	operator := "Bearer " + p.token(auth.TokenSpec{User: "root", Permissions: []string{"x", api.Admin}})
	victim := p.token(auth.TokenSpec{User: "mallory", ID: "id-of-mallory"})
	for _, tt := range []struct {
		path, body, token string
		code              int
	}{
		{"/admin/disconnect", `{"user":"bob"}`, "", 401},
		{"/admin/disconnect", `{"user":"bob"}`, "Bearer x.y.z", 401},
		{"/admin/disconnect", `{"user":"bob"}`, "Basic " + operator[7:], 401},
		{"/admin/disconnect", `{"user":"bob"}`, "Bearer " + p.token(auth.TokenSpec{User: "bob", Roles: []string{api.Admin}}), 403},
		{"/admin/disconnect", `{"user":""}`, operator, 400},
		{"/admin/disconnect", `{"user":"a\nb"}`, operator, 400},
		{"/admin/disconnect", `{"token":"x"}`, operator, 400},
		{"/admin/revoke", `{}`, operator, 400},
		{"/admin/revoke", `{"user":"bob","family":"f"}`, operator, 400},
		{"/admin/revoke", `{"user":"bob","token":"f"}`, operator, 400},
		{"/admin/revoke", `{"user":"bob","ttl":0}`, operator, 400},
		{"/admin/revoke", `{"user":"bob","ttl":1e300}`, operator, 400},
		{"/admin/revoke", `{"token":"x.y.z"}`, operator, 400},
		{"/admin/revoke", fmt.Sprintf(`{"user":%q}`, strings.Repeat("x", 129)), operator, 400},
	} {
		if g := p.ask("POST", tt.path, tt.body, "Authorization", tt.token); g.code != tt.code {
			t.Errorf("%s %s: %d %s, want %d", tt.path, tt.body, g.code, g.body.Raw, tt.code)
		}
	}
	want := []struct{ path, body, status, kind, name string }{
		{"/admin/disconnect", `{"user":"bob"}`, "disconnected", "disconnect", "bob"},
		{"/admin/revoke", `{"user":"bob","ttl":60}`, "revoked", "user", "bob"},
		{"/admin/revoke", `{"token_id":"t-1"}`, "revoked", "token", "t-1"},
		{"/admin/revoke", `{"family":"f-1"}`, "revoked", "family", "f-1"},
		{"/admin/revoke", fmt.Sprintf(`{"token":%q}`, victim), "revoked", "token", "id-of-mallory"},
	}
	for _, tt := range want {
		g := p.ask("POST", tt.path, tt.body, "Authorization", operator)
		if g.code != 200 || g.body.Get("status").Str != tt.status || g.body.Get("kind").Str != tt.kind || g.body.Get("name").Str != tt.name {
			t.Errorf("%s %s: %d %s", tt.path, tt.body, g.code, g.body.Raw)
		}
	}
	heard := make(map[string]bool)
	for range want {
		select {
		case r := <-told:
			heard[string(r.Kind)+" "+r.Name] = true
		case <-time.After(5 * time.Second):
			t.Fatalf("others heard of %v only", heard)
		}
	}
	for _, tt := range want {
		if !heard[tt.kind+" "+tt.name] {
			t.Errorf("others did not hear of %s %s", tt.kind, tt.name)
		}
	}
	// An operator whose token is revoked is none any more.
	if g := p.ask("POST", "/admin/revoke", `{"user":"root"}`, "Authorization", operator); g.code != 200 {
		t.Errorf("%d %s", g.code, g.body.Raw)
	}
	if g := p.ask("POST", "/admin/disconnect", `{"user":"bob"}`, "Authorization", operator); g.code != 401 {
		t.Errorf("%d %s", g.code, g.body.Raw)
	}
	for _, line := range p.logged.All() {
		if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, "eyJ") || strings.Contains(text, operator[20:]) {
			t.Errorf("a log line holds a token: %s", text)
		}
	}
	if p.logged.FilterMessage("revoked").Len() != len(want)+1 {
		t.Errorf("logged %v", p.logged.All())
	}
}

// An address that asks too often is told when to come back, and is heard then; others are heard meanwhile.
func TestRatePerAddress(t *testing.T) {
	local, err := web.ParseProxy("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	p := serve(t, func(c *api.Config) { c.RPS, c.Burst, c.Proxies = 2, 3, web.Proxies{local} })
	ask := func(addr string) got {
		return p.ask("POST", "/sessions/refresh", refreshBody("x"), "X-Forwarded-For", addr)
	}
	for range 3 {
		if g := ask("2001:db8::1"); g.code != 401 {
			t.Fatalf("%d %s", g.code, g.body.Raw)
		}
	}
	g := ask("2001:db8::2") // the same household
	wait := time.Duration(g.body.Get("details.retry_after_ms").Int()) * time.Millisecond
	if g.code != 429 || g.header.Get("Retry-After") != "1" || g.body.Get("details.limit").Str != "address" || wait <= 0 || wait > time.Second {
		t.Fatalf("%d %v %s", g.code, g.header, g.body.Raw)
	}
	if g := ask("198.51.100.1"); g.code != 401 {
		t.Errorf("%d %s", g.code, g.body.Raw)
	}
	time.Sleep(wait + 2*time.Millisecond)
	if g := ask("2001:db8::1"); g.code != 401 {
		t.Errorf("after the wait: %d %s", g.code, g.body.Raw)
	}
}

// Where something is lacking, the pages say what.
func TestLacking(t *testing.T) {
	p := serve(t, func(c *api.Config) { c.Refresher, c.Revocations = nil, nil })
	if g := p.ask("POST", "/sessions/refresh", refreshBody("x")); g.code != 404 || !strings.Contains(g.body.Raw, "JWT_SECRET") {
		t.Errorf("%d %s", g.code, g.body.Raw)
	}
	if g := p.ask("POST", "/admin/revoke", `{"user":"x"}`); g.code != 404 || !strings.Contains(g.body.Raw, "Redis") {
		t.Errorf("%d %s", g.code, g.body.Raw)
	}
}

// While Redis is away, clients and operators are told to come back.
func TestAway(t *testing.T) {
	redis := miniredis.RunT(t)
	p := serveOn(t, "redis://"+redis.Addr(), nil)
	pair := p.pair()
	operator := "Bearer " + p.token(auth.TokenSpec{User: "root", Permissions: []string{api.Admin}})
	redis.Close()
	for path, body := range map[string]string{
		"/sessions/refresh": refreshBody(pair.Refresh.Reveal()), "/admin/revoke": `{"user":"bob"}`, "/admin/disconnect": `{"user":"bob"}`,
	} {
		if g := p.ask("POST", path, body, "Authorization", operator); g.code != 503 || g.header.Get("Retry-After") != "2" {
			t.Errorf("%s: %d %v %s", path, g.code, g.header, g.body.Raw)
		}
	}
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		g := p.ask("POST", "/sessions/refresh", refreshBody(pair.Refresh.Reveal()))
		if g.code == 200 {
			return
		}
		if g.code != 503 || time.Now().After(deadline) {
			t.Fatalf("%d %s", g.code, g.body.Raw)
		}
	}
}
