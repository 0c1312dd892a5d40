package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// gauge reads a metric without labels but its role and dependency.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	for _, family := range must(reg.Gather()) {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestJWKSAway takes the key server away from a verifier that has its keys, and brings it back with other ones.
func TestJWKSAway(t *testing.T) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	addr := l.Addr().String()
	start := func(l net.Listener, s *keyServer) {
		s.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: s}}
		s.Start()
	}
	first := new(keyServer)
	first.serve(jwk(ecKey().Public(), jwkset.JWKMetadataOptions{KID: "old"}, false))
	start(l, first)
	core, logged := observer.New(zap.InfoLevel)
	reg := prometheus.NewRegistry()
	const password = "open-sesame-4711"
	v := newJWKSVerifier(t, Config{
		JWKSURL: "http://user:" + password + "@" + addr + "/keys?key=" + password, Log: zap.New(core), Registerer: reg, Role: "gateway",
	})
	old := sign(jwt.SigningMethodES256, ecKey(), kid("old"), nil)
	fresh := sign(jwt.SigningMethodEdDSA, edKey(), kid("new"), nil)
	verify(t, v, old, nil)
	if err := v.Health(); err != nil {
		t.Errorf("with its server: %v", err)
	}

	first.Close()
	v.jwks.asked <- struct{}{} // as if it were time for the next fetch
	for begin := time.Now(); v.Health() == nil; time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 2*(2*awayTime+time.Second) {
			t.Fatal("the breaker does not open")
		}
	}
	begin := time.Now()
	for range 100 {
		verify(t, v, fresh, ErrUnknownKey)
		verify(t, v, old, nil)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("100 tokens with an unknown key took %v", took)
	}
	if gauge(t, reg, "realtime_breaker_state") == 0 {
		t.Error("the metric says closed")
	}
	if err := v.Health(); !strings.HasPrefix(err.Error(), "circuit breaker ") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("health: %v", err)
	}

	second := new(keyServer)
	second.serve(jwk(edKey().Public(), jwkset.JWKMetadataOptions{KID: "new"}, false))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	start(l, second)
	t.Cleanup(second.Close)
	eventually(t, v, fresh, nil)
	verify(t, v, old, ErrUnknownKey)
	if v.Health() != nil || gauge(t, reg, "realtime_breaker_state") != 0 {
		t.Errorf("with its server again: %v", v.Health())
	}
	var lines []string
	for _, line := range logged.All() {
		if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, password) {
			t.Errorf("logged %s", text)
		}
		lines = append(lines, line.Message)
	}
	if len(lines) != 2 || !strings.Contains(lines[0], "are away") || !strings.Contains(lines[1], "are back") {
		t.Errorf("logged %q", lines)
	}
}
