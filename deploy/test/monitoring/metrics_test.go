// Package monitoring holds the dashboard and the alerts of deploy/helm/realtime/files against the metrics that the program
// exports and against docs/OPERATIONS.md.
package monitoring

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	root       = "../../.."
	operations = root + "/docs/OPERATIONS.md"
	alertsFile = root + "/deploy/helm/realtime/files/alerts.yaml"
	boardFile  = root + "/deploy/helm/realtime/files/dashboard.json"
)

// metric is what is known of one.
type metric struct {
	kind   string // counter, gauge or histogram
	labels []string
}

// documented reads the table of docs/OPERATIONS.md. A test in pkg/metric compares it with the source.
func documented(t *testing.T) map[string]metric {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `(realtime_[a-z_]+)` \\| (counter|gauge|histogram) \\| ([a-z, ]*) \\|")
	all := make(map[string]metric)
	for _, m := range row.FindAllStringSubmatch(read(t, operations), -1) {
		var names []string
		for name := range strings.SplitSeq(m[3], ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		all[m[1]] = metric{m[2], names}
	}
	if len(all) < 100 {
		t.Fatalf("%s lists only %d metrics", operations, len(all))
	}
	return all
}

// exported starts the whole cluster in one process, and a router beside it, and returns what they have on /metrics.
var exported = sync.OnceValues(func() (map[string]metric, error) {
	dir, err := os.MkdirTemp("", "monitoring-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "realtime")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	nats := freePort()
	whole := []string{"all", "-embedded-nats-port", nats, "-rules-file", filepath.Join(root, "docs/rules.example.yaml")}
	found := make(map[string]metric)
	for _, args := range [][]string{whole, {"router", "-nats-url", "nats://127.0.0.1:" + nats}} {
		port := freePort()
		cmd := exec.Command(binary, append(args, "-host", "127.0.0.1", "-port", port, "-settings-file", filepath.Join(root, "docs/settings.example.yaml"))...)
		cmd.Env = append(os.Environ(), "JWT_SECRET=a secret of thirty-two bytes or more", "DATA_DIR="+filepath.Join(dir, "data"))
		log := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		defer func() {
			_ = cmd.Process.Signal(syscall.SIGKILL)
			_ = cmd.Wait()
		}()
		families, err := scrape("http://127.0.0.1:" + port)
		if err != nil {
			return nil, fmt.Errorf("%v: %w\n%s", args, err, log)
		}
		for name, f := range families {
			found[name] = described(f)
		}
	}
	return found, nil
})

// scrape waits until the process is ready, and reads its metrics.
func scrape(url string) (map[string]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		_, err := get(ctx, url+"/readyz")
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("not ready: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	text, err := get(ctx, url+"/metrics")
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(bytes.NewReader(text))
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, err
}

func described(f *dto.MetricFamily) metric {
	m := metric{kind: strings.ToLower(f.GetType().String())}
	for _, series := range f.GetMetric() {
		for _, l := range series.GetLabel() {
			if !slices.Contains(m.labels, l.GetName()) {
				m.labels = append(m.labels, l.GetName())
			}
		}
	}
	slices.Sort(m.labels)
	return m
}

// TestExported: what processes export is what docs/OPERATIONS.md says, and what has no labels but role is there from the start.
func TestExported(t *testing.T) {
	table, real := documented(t), exportedNow(t)
	for name, m := range real {
		if !strings.HasPrefix(name, "realtime_") {
			continue
		}
		if got := table[name]; got.kind != m.kind || !slices.Equal(got.labels, m.labels) {
			t.Errorf("%s is a %s with labels %v, and a %q with %v in the table", name, m.kind, m.labels, got.kind, got.labels)
		}
	}
	for name, m := range table {
		if slices.Equal(m.labels, []string{"role"}) || len(m.labels) == 0 {
			if _, ok := real[name]; !ok {
				t.Errorf("%s is not exported", name)
			}
		}
	}
}

func exportedNow(t *testing.T) map[string]metric {
	t.Helper()
	real, err := exported()
	if err != nil {
		t.Fatal(err)
	}
	return real
}

// known is every metric that a query may use: ours, those of Go and of the process, and Prometheus' own up.
func known(t *testing.T) map[string]metric {
	t.Helper()
	all := documented(t)
	for name, m := range exportedNow(t) {
		if !strings.HasPrefix(name, "realtime_") {
			all[name] = m
		}
	}
	all["up"] = metric{kind: "gauge"}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
