package loadtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// TestIngress puts an nginx before two gateways, with the directives that ingress-nginx makes of the chart's annotations and with TLS:
// a gateway that is full is passed over, a quiet connection outlives nginx's patience because gateways ping, and when a gateway stops its
// clients come back to the other one.
func TestIngress(t *testing.T) {
	const room = 5 // clients of one gateway
	const patience = time.Second
	c := cluster.StartTest(t, cluster.Spec{NATS: 1, Redis: true, Gateways: 2, Routers: 1, Presences: 1, Env: []string{
		fmt.Sprint("MAX_CONNECTIONS=", room), "HEARTBEAT_INTERVAL=300ms", "CLIENT_TIMEOUT=10s", "DRAIN_PERIOD=1s",
	}})
	lb := startNginx(t, c, patience)
	first, second := c.Gateways[0], c.Gateways[1]
	open := func(p *cluster.Process) int {
		t.Helper()
		n, err := p.Metric(t.Context(), "realtime_gateway_connections", nil)
		must(t, err)
		return int(n)
	}
	var said []func(string)
	for i := range 2 * room {
		token, err := c.Token(fmt.Sprint("user-", i))
		must(t, err)
		if i < room { // at the first gateway, which then is full
			conn, err := client.Dial(t.Context(), c.WS()[0], token, client.Options{})
			must(t, err)
			t.Cleanup(conn.Abort)
			continue
		}
		said = append(said, dialTLS(t, lb, token))
	}
	if a, b := open(first), open(second); a != room || b != room {
		t.Errorf("the gateways have %d and %d clients, want %d each", a, b, room)
	}
	time.Sleep(3 * patience)
	for _, say := range said {
		say(`{"type":"Broadcast","id":"1","data":{"topic":"all","payload":"still here"}}`)
	}

	code, err := first.Stop(t.Context())
	if err != nil || code != 0 {
		t.Fatalf("the gateway that stops: exit code %d, %v", code, err)
	}
	if n := open(second); n != room {
		t.Errorf("the other gateway has %d clients", n)
	}
	token, err := c.Token("late")
	must(t, err)
	_, err = client.Dial(t.Context(), c.WS()[1], token, client.Options{})
	var refused *client.HandshakeError
	if !errors.As(err, &refused) {
		t.Errorf("a full gateway lets in: %v", err)
	}
	must(t, second.Kill())
	must(t, second.Restart(t.Context()))
	dialTLS(t, lb, token)(`{"type":"Broadcast","id":"2","data":{"topic":"all","payload":"back"}}`) // the first gateway is still gone
}

// startNginx runs nginx as ingress-nginx would, but for the patience with a connection on which nothing comes.
func startNginx(t *testing.T, c *cluster.Cluster, patience time.Duration) *balancer {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx") // Debian's place, which is not in everybody's PATH
	}
	if err != nil {
		t.Fatal("nginx is not installed: it comes with the package nginx-light of Debian and Ubuntu; make test installs it")
	}
	addr := freeAddress(t)
	certificate, roots := selfSigned(t)
	var conf, servers strings.Builder
	for _, g := range c.Gateways {
		fmt.Fprintf(&servers, "server 127.0.0.1:%d max_fails=0; ", g.Port)
	}
	for name, value := range annotations(t) {
		if name == "proxy_read_timeout" {
			value = patience.String()
		}
		fmt.Fprintf(&conf, "      %s %s;\n", name, value)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(file, fmt.Appendf(nil, `daemon off; master_process off; error_log stderr warn; pid %[1]s/pid;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream gateways { %[2]s}
  server {
    listen %[3]s ssl;
    ssl_certificate %[4]s; ssl_certificate_key %[4]s;
    location / {
      proxy_pass http://gateways;
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
%[5]s    }
  }
}
`, dir, servers.String(), addr, certificate, conf.String()), 0o600))
	cmd := exec.Command(path, "-p", dir, "-c", file)
	log := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = log, log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx:\n%.4000s", log)
		}
	})
	eventually(t, "nginx listens", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return &balancer{wss: "wss://" + addr + "/ws", roots: roots}
}

// annotations reads those of the chart's Ingress, as the directives that ingress-nginx makes of them.
func annotations(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../deploy/helm/realtime/templates/ingress.yaml")
	must(t, err)
	directives := make(map[string]string)
	for _, m := range regexp.MustCompile(`"nginx\.ingress\.kubernetes\.io/([a-z-]+)" "([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		name, value := strings.ReplaceAll(m[1], "-", "_"), m[2]
		if strings.HasSuffix(name, "_timeout") {
			value += "s"
		}
		directives[name] = value
	}
	for _, name := range []string{"proxy_read_timeout", "proxy_http_version", "proxy_next_upstream", "proxy_buffering"} {
		if directives[name] == "" {
			t.Fatalf("the chart's Ingress does not set %s: %v", name, directives)
		}
	}
	return directives
}
