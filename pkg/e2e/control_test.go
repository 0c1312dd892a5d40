package e2e_test

import (
	"encoding/json"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/pkg/control"
)

// TestOperatorsTools: top, info, disconnect and drain see and reach real processes.
func TestOperatorsTools(t *testing.T) {
	t.Parallel()
	c := cluster.StartTest(t, cluster.Spec{NATS: 1, Redis: true, Gateways: 2, Routers: 1, Presences: 1, Binary: binary, Env: []string{
		"RATE_LIMIT_ENABLED=false", "DRAIN_PERIOD=2s",
	}})
	env := []string{"NATS_URL=" + c.NATSURL()}
	tool := func(want string, args ...string) string {
		t.Helper()
		code, stdout, stderr := runBinary(t, env, args...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("%v: exit code %d, stderr %q, no %q in\n%s", args, code, stderr, want, stdout)
		}
		return stdout
	}

	var reports []control.Report
	if err := json.Unmarshal([]byte(tool("[", "info", "-json")), &reports); err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	var nodes []string
	for _, r := range reports {
		nodes = append(nodes, r.Role+" "+r.Node)
		for name := range r.Figures {
			known[name] = true
		}
		if r.Status != "healthy" || len(r.Views) != 3 || r.Views["gateway"].Active != 2 || r.Settings["NATS_URL"] == "" {
			t.Errorf("%s: %+v", r.Node, r)
		}
	}
	if got := strings.Join(nodes, ", "); got != "gateway gateway-1, gateway gateway-2, presence presence-1, router router-1" {
		t.Errorf("nodes: %s", got)
	}
	for _, name := range control.Figures {
		if !known[name] {
			t.Errorf("nobody has the figure %s", name)
		}
	}
	if about := tool("router-1", "info", "-node", "router-1"); !regexp.MustCompile(`(?m)^role +router$`).MatchString(about) || strings.Contains(about, "gateway-1") {
		t.Errorf("info of router-1:\n%s", about)
	}
	code, _, stderr := runBinary(t, env, "info", "-node", "x")
	if code != 1 || stderr != "realtime: -node: nobody is called \"x\", only gateway-1, gateway-2, presence-1, router-1\n" {
		t.Errorf("info of nobody: %d %s", code, stderr)
	}

	draining := make(chan string, 10)
	alice := dial(t, c, "alice", client.Options{Other: func(m client.Message) { draining <- m.Data }})
	bob := dial(t, c, "bob", client.Options{})
	for range 2000 {
		if _, err := alice.Broadcast(t.Context(), "hot.topic", `1`); err != nil {
			t.Fatal(err)
		}
	}
	page := tool("HOT TOPICS", "top", "-once", "-interval", "500ms")
	for _, want := range []string{
		`4 of 4 processes ready  2 of `, `(?m)^views     gateway 2  router 1  presence 1$`, `(?m)^breakers  all closed$`,
		`(?m)^ +gateway +gateway-1 .* healthy +2 `, `(?m)^ +router +router-1 `, `(?m)^ +[0-9.k]+  hot\.topic$`,
	} {
		if !regexp.MustCompile(want).MatchString(page) {
			t.Errorf("top: no %s in\n%s", want, page)
		}
	}

	tool("bob is disconnected", "disconnect", "-user", "bob")
	select {
	case <-bob.Done():
	case <-time.After(patience):
		t.Error("bob is still connected")
	}

	out := tool("gateway gateway-1 is gone after ", "drain", "-node", "gateway-1", "-interval", "500ms")
	if !strings.Contains(out, "gateway gateway-1 drains: 1 connections\n") {
		t.Errorf("drain:\n%s", out)
	}
	select {
	case <-c.Gateways[0].Exited():
	case <-time.After(patience):
		t.Fatal("the drained gateway still runs")
	}
	if c.Gateways[1].Running() != true {
		t.Error("the other gateway is gone, too")
	}
	<-alice.Done()
	if alice.CloseCode() != 1012 || !strings.Contains(<-draining, `"reconnect_after_ms"`) {
		t.Errorf("alice was closed %d", alice.CloseCode())
	}
	tool("3 of 3 processes ready", "top", "-once", "-interval", "500ms")
}

// TestOperatorsToolsWithoutACluster: one line says what is missing.
func TestOperatorsToolsWithoutACluster(t *testing.T) {
	t.Parallel()
	c := cluster.StartTest(t, cluster.Spec{NATS: 1, Binary: binary})
	env := []string{"NATS_URL=" + c.NATSURL()}
	const nobody = "no realtime process is connected to this NATS"
	refuses(t, nobody, env, "top", "-once")
	refuses(t, nobody, env, "info")
	refuses(t, nobody, env, "drain", "-node", "a")
	refuses(t, "no gateway is connected to this NATS", env, "disconnect", "-user", "alice")
	refuses(t, "-node: required, such as -node gateway-0; see realtime info", env, "drain")
	refuses(t, "-user: required, such as -user alice", env, "disconnect")
	refuses(t, "NATS_URL: cannot reach nats://127.0.0.1:1 within 200ms: connection refused", nil,
		"info", "-nats-url", "nats://127.0.0.1:1", "-nats-connect-timeout", "200ms")
}

// TestDrainOfOneProcess: its NATS server goes with it.
func TestDrainOfOneProcess(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	_ = ln.Close() // free again
	p := launch(t, []string{"JWT_SECRET=" + secret, "PORT=0", "NODE_NAME=one", "EMBEDDED_NATS_PORT=" + port, "DATA_DIR=" + t.TempDir()})
	await(t, p.address(), "/readyz", 200)
	url := "nats://127.0.0.1:" + port
	code, stdout, stderr := runBinary(t, nil, "drain", "-node", "one", "-nats-url", url, "-interval", "500ms")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "all one is gone after ") {
		t.Errorf("exit code %d, stderr %q, stdout %s", code, stderr, stdout)
	}
	if code := p.wait(patience); code != 0 {
		t.Errorf("the process ended with %d", code)
	}
}
