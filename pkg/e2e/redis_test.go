package e2e_test

import (
	"encoding/json"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestUnusableRedisURL: each is one line that names the setting and shows no password.
func TestUnusableRedisURL(t *testing.T) {
	t.Parallel()
	env := []string{"JWT_SECRET=" + secret, "PORT=0", "DATA_DIR=" + t.TempDir()}
	const malformed = "not a URL such as redis://localhost:6379 (in a user or password, write / ? # @ and % as %2F %3F %23 %40 and %25)"
	for url, want := range map[string]string{
		"localhost:6379":                              malformed,
		"redis://:open/sesame@localhost":              malformed,
		"redis://:open?sesame@localhost":              malformed,
		"redis://a:1,b:2":                             "further addresses are parameters: addr=host:port",
		"http://:sesame@localhost":                    "invalid URL scheme: http",
		"redis://:sesame@localhost/one":               `invalid database number: "one"`,
		"redis://:sesame@localhost?colour=red":        "unexpected option: colour",
		"redis://localhost?addr=b":                    "unable to parse addr param: b",
		"redis://localhost/3?cluster=true":            "a cluster has no database but 0",
		"redis://localhost?master_name=&password=ses": "master_name is empty",
	} {
		for _, command := range []string{"all", "presence"} {
			refuses(t, "REDIS_URL: "+want, append(env, "REDIS_URL="+url), command)
		}
	}
	// Every role reads it, also those that do not use it.
	refuses(t, "REDIS_URL: "+malformed, append(env, "REDIS_URL=localhost"), "router")
	refuses(t, "REDIS_URL: "+malformed, append(env, "REDIS_URL=localhost"), "gateway")
	// Only connecting shows that nobody has so much memory.
	code, stdout, stderr := runBinary(t, append(env, "REDIS_URL=redis://localhost?pool_size=99999999999"))
	if !strings.HasPrefix(stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:], "realtime: REDIS_URL: ") || code != 1 || stdout != "" {
		t.Errorf("exit code %d, stdout %q, stderr\n%s", code, stdout, stderr)
	}
}

type component struct{ Status, Reason string }

// health reads /health.
func health(t *testing.T, addr string) (code int, status string, parts map[string]component) {
	t.Helper()
	var page struct {
		Status     string
		Components map[string]component
	}
	code, body := get(t, addr, "/health")
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatalf("/health: %v in %s", err, body)
	}
	return code, page.Status, page.Components
}

// awaitStatus waits until /health says status.
func awaitStatus(t *testing.T, addr, status string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		_, got, parts := health(t, addr)
		if got == status {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %s, not %s after %v: %v", addr, got, status, patience, parts)
		}
	}
}

// TestEmbeddedStore: one process without REDIS_URL has a store in memory, and says so.
func TestEmbeddedStore(t *testing.T) {
	t.Parallel()
	p, addr := launchAll(t)
	p.find(&p.stderr, `(?m)"msg":"(REDIS_URL is not set: using an embedded store in memory, which ends with this process)"`)
	if code, status, parts := health(t, addr); code != 200 || status != "healthy" || parts["redis"].Status != "healthy" {
		t.Errorf("/health: %d %s %v", code, status, parts)
	}
	p.terminate(patience)
}

// TestRedisAway starts before Redis does, and loses it again.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("this test needs redis-server: .ci/tools installs it")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	redis := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	const password = "sesame-0815"
	nats := startNATS(t)
	env := []string{
		"JWT_SECRET=" + secret, "PORT=0", "REDIS_URL=redis://:" + password + "@" + redis,
		"DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
	}
	processes := []*process{launch(t, env, "all"), launch(t, append(env, "NATS_URL=nats://"+nats), "presence")}
	degraded := func() {
		t.Helper()
		for _, p := range processes {
			awaitStatus(t, p.address(), "degraded")
			code, _, parts := health(t, p.address())
			if r := parts["redis"]; code != 200 || r.Status != "unhealthy" || !strings.HasPrefix(r.Reason, "circuit breaker ") {
				t.Errorf("%s: /health: %d %v", p.cmd, code, parts)
			}
			for name, part := range parts {
				dependent := name == "redis" || name == "revocations" // the latter a little later
				if !dependent && part.Status != "healthy" || strings.Contains(part.Reason, password) {
					t.Errorf("%s: %s: %v", p.cmd, name, part)
				}
			}
			for _, path := range []string{"/readyz", "/livez"} {
				if code, body := get(t, p.address(), path); code != 200 {
					t.Errorf("%s: %s: %d %s", p.cmd, path, code, body)
				}
			}
		}
	}
	degraded()

	_, port, _ := net.SplitHostPort(redis)
	server := launchProgram(t, nil, nil, path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--requirepass", password, "--dir", t.TempDir())
	for _, p := range processes {
		awaitStatus(t, p.address(), "healthy")
		if _, body := get(t, p.address(), "/metrics"); !regexp.MustCompile(`(?m)^realtime_breaker_state\{dependency="redis",role="presence"\} 0$`).MatchString(body) {
			t.Errorf("%s: the metric does not say that the circuit is closed", p.cmd)
		}
	}
	server.terminate(patience)
	degraded()

	for _, p := range processes {
		p.terminate(5 * time.Second)
		log := p.stderr.String()
		for _, line := range []string{`"msg":"using Redis"`, `"msg":"Redis is back"`} {
			if strings.Count(log, line) != 1 {
				t.Errorf("%s: not one line with %s", p.cmd, line)
			}
		}
		if n := strings.Count(log, `"msg":"Redis is away`); n != 2 {
			t.Errorf("%s: %d lines say that Redis is away, want 2", p.cmd, n)
		}
		if strings.Contains(log, password) || strings.Contains(log, `"level":"error"`) {
			t.Errorf("%s: a password or a complaint in the log", p.cmd)
		}
	}
}
