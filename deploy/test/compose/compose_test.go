// Package compose checks docker-compose.yml and what it mounts.
package compose

import (
	"context"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/realtime-cluster/realtime/pkg/config"
)

const (
	root  = "../../.."
	entry = "realtime-communication"
)

// load reads compose files as docker compose does, with the variables of env only.
func load(t *testing.T, env map[string]string, files ...string) (*types.Project, error) {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	details := types.ConfigDetails{WorkingDir: dir, Environment: env}
	for _, f := range files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: filepath.Join(dir, f)})
	}
	return loader.LoadWithContext(context.WithoutCancel(t.Context()), details)
}

func project(t *testing.T, env map[string]string) *types.Project {
	t.Helper()
	p, err := load(t, env, "docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// isNode reports whether a service runs the program.
func isNode(s types.ServiceConfig) bool { return s.Build != nil }

// TestEntry: the service that docker compose up -d is told brings all that it needs, healthy, in this order.
func TestEntry(t *testing.T) {
	p := project(t, nil)
	needs := make(map[string]bool)
	var visit func(string)
	visit = func(name string) {
		for dep, how := range p.Services[name].DependsOn {
			if how.Condition != types.ServiceConditionHealthy || !how.Required {
				t.Errorf("%s waits for %s to be %q", name, dep, how.Condition)
			}
			if p.Services[dep].HealthCheck == nil {
				t.Errorf("%s has no health check", dep)
			}
			if !needs[dep] {
				needs[dep] = true
				visit(dep)
			}
		}
	}
	visit(entry)
	want := []string{"gateway-1", "gateway-2", "nats-1", "nats-2", "nats-3", "presence", "redis", "router"}
	if got := slices.Sorted(maps.Keys(needs)); !slices.Equal(got, want) {
		t.Errorf("%s brings %v, want %v", entry, got, want)
	}
	all := slices.Sorted(maps.Keys(p.Services))
	if want := slices.Sorted(slices.Values(append(want, entry, "prometheus", "grafana"))); !slices.Equal(all, want) {
		t.Errorf("services %v, want %v", all, want)
	}
	if ports := p.Services[entry].Ports; len(ports) != 1 || ports[0].Published != "8081" || ports[0].HostIP != "127.0.0.1" {
		t.Errorf("clients are served on %+v", ports)
	}
}

// TestServices: each comes back by itself, runs an image of one version, and mounts files that are there.
func TestServices(t *testing.T) {
	p := project(t, nil)
	pinned := regexp.MustCompile(`:v?\d+\.\d+\.\d+(-alpine)?$`)
	for name, s := range p.Services {
		if s.Restart != "unless-stopped" {
			t.Errorf("%s: restart %q", name, s.Restart)
		}
		if s.HealthCheck == nil {
			t.Errorf("%s has no health check", name)
		}
		if isNode(s) {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %s is of no one version", name, s.Image)
		}
		for _, port := range s.Ports {
			if a, err := netip.ParseAddr(port.HostIP); err != nil || !a.IsLoopback() {
				t.Errorf("%s is open to %q", name, port.HostIP)
			}
		}
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if info, err := os.Stat(v.Source); err != nil || info.IsDir() || !v.ReadOnly {
					t.Errorf("%s mounts %s: %v, read-only %v", name, v.Source, err, v.ReadOnly)
				}
			case types.VolumeTypeVolume:
				if _, ok := p.Volumes[v.Source]; !ok {
					t.Errorf("%s: no volume %s", name, v.Source)
				}
			}
		}
	}
	for volume := range p.Volumes {
		users := 0
		for _, s := range p.Services {
			for _, v := range s.Volumes {
				if v.Source == volume {
					users++
				}
			}
		}
		if users != 1 {
			t.Errorf("%d services use the volume %s", users, volume)
		}
	}
}

// TestVersions: NATS is what go.mod has, Prometheus what the alerts are tested with.
func TestVersions(t *testing.T) {
	p := project(t, nil)
	for _, tt := range []struct{ service, module, file string }{
		{"nats-1", "github.com/nats-io/nats-server/v2", root + "/go.mod"},
		{"prometheus", "github.com/prometheus/prometheus", "../go.mod"},
	} {
		m := regexp.MustCompile(regexp.QuoteMeta(tt.module) + ` v(\d+)\.(\d+)\.(\d+)`).FindStringSubmatch(read(t, tt.file))
		if m == nil {
			t.Fatalf("no %s in %s", tt.module, tt.file)
		}
		version := m[1] + "." + m[2] + "." + m[3]
		if m[1] == "0" { // the module v0.316.0 is of Prometheus 3.16.0
			version = m[2][:1] + "." + strings.TrimLeft(m[2][1:], "0") + "." + m[3]
		}
		if !strings.Contains(p.Services[tt.service].Image, version) {
			t.Errorf("%s runs %s, and the module is %s", tt.service, p.Services[tt.service].Image, version)
		}
	}
}

// TestSettings: every variable of a process is a setting of its command, with a value that it accepts, and a stop has the time it may take.
func TestSettings(t *testing.T) {
	secret := strings.Repeat("s", 32)
	for name, s := range project(t, map[string]string{"JWT_SECRET": secret}).Services {
		if !isNode(s) {
			continue
		}
		if len(s.Command) != 1 {
			t.Fatalf("%s: command %v", name, s.Command)
		}
		env := make(map[string]string)
		for variable, value := range s.Environment {
			if !slices.ContainsFunc(config.SettingsOf(s.Command[0]), func(s config.Setting) bool { return s.Name == variable }) {
				t.Errorf("%s: %s is not a setting of realtime %s", name, variable, s.Command[0])
			}
			env[variable] = *value
		}
		if file := env["SETTINGS_FILE"]; file != "" { // where it is mounted from
			i := slices.IndexFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == file })
			if i < 0 {
				t.Fatalf("%s: %s is not mounted", name, file)
			}
			env["SETTINGS_FILE"] = s.Volumes[i].Source
		}
		cfg, err := config.Load(s.Command[0], nil, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < cfg.ShutdownTimeout+3*time.Second {
			t.Errorf("%s: stop_grace_period %v, SHUTDOWN_TIMEOUT %v", name, s.StopGracePeriod, cfg.ShutdownTimeout)
		}
		if len(cfg.NATS.URLs) != 3 {
			t.Errorf("%s knows %d NATS servers", name, len(cfg.NATS.URLs))
		}
	}
}

// TestSecret: without JWT_SECRET there is one for trying it out, but not where others are let in.
func TestSecret(t *testing.T) {
	secret := func(p *types.Project) string { return *p.Services["gateway-1"].Environment["JWT_SECRET"] }
	own := strings.Repeat("s", 32)
	if got := secret(project(t, map[string]string{"JWT_SECRET": own})); got != own {
		t.Errorf("the secret is %q", got)
	}
	if got := secret(project(t, nil)); len(got) < 32 || !strings.Contains(got, "trying") {
		t.Errorf("the secret is %q", got)
	}
	if _, err := load(t, map[string]string{"LISTEN": "0.0.0.0"}, "docker-compose.yml"); err == nil || !strings.Contains(err.Error(), "JWT_SECRET") {
		t.Errorf("open to others without a secret: %v", err)
	}
	p := project(t, map[string]string{"LISTEN": "0.0.0.0", "JWT_SECRET": own})
	if got := secret(p); got != own || p.Services[entry].Ports[0].HostIP != "0.0.0.0" {
		t.Errorf("open to others: secret %q, %+v", got, p.Services[entry].Ports)
	}
}

// TestBalancerVariables: the load balancer gets every variable that its configuration has, and no other.
func TestBalancerVariables(t *testing.T) {
	plain := project(t, nil).Services[entry]
	encrypted, err := load(t, map[string]string{"TLS_CERTIFICATE": root + "/README.md"}, "docker-compose.yml", "deploy/compose/tls.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		service types.ServiceConfig
		files   []string
	}{
		{plain, []string{"haproxy.cfg"}},
		{encrypted.Services[entry], []string{"haproxy.cfg", "tls.cfg"}},
	} {
		var wants []string
		for _, f := range tt.files {
			for _, m := range regexp.MustCompile(`"\$\{([A-Z0-9_]+)\}"`).FindAllStringSubmatch(read(t, root+"/deploy/compose/"+f), -1) {
				wants = append(wants, m[1])
			}
			if !slices.ContainsFunc(tt.service.Volumes, func(v types.ServiceVolumeConfig) bool {
				return filepath.Base(v.Source) == f && v.Target == "/usr/local/etc/haproxy/"+f
			}) {
				t.Errorf("%s is not mounted", f)
			}
		}
		slices.Sort(wants)
		if got := slices.Sorted(maps.Keys(tt.service.Environment)); !slices.Equal(got, wants) {
			t.Errorf("%v: variables %v, want %v", tt.files, got, wants)
		}
	}
	// The gateways that it knows are those there are.
	for _, variable := range []string{"GATEWAY_1", "GATEWAY_2"} {
		host, port, _ := strings.Cut(*plain.Environment[variable], ":")
		if _, ok := plain.DependsOn[host]; !ok || port != "8081" {
			t.Errorf("%s is %s", variable, *plain.Environment[variable])
		}
	}
}

// TestNATSConfig: the server accepts its file, and writes to disk what it acknowledges.
func TestNATSConfig(t *testing.T) {
	cmd := exec.Command("go", "tool", "nats-server", "-t", "-c", "deploy/compose/nats.conf")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "SERVER_NAME=nats-1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if !regexp.MustCompile(`(?m)^\s*sync_interval: always$`).MatchString(read(t, root+"/deploy/compose/nats.conf")) {
		t.Error("sync_interval is not always")
	}
	for name, s := range project(t, nil).Services {
		if strings.HasPrefix(name, "nats-") && *s.Environment["SERVER_NAME"] != name {
			t.Errorf("%s is called %s", name, *s.Environment["SERVER_NAME"])
		}
	}
}

// TestScrapes: Prometheus asks every process for its metrics.
func TestScrapes(t *testing.T) {
	text := read(t, root+"/deploy/compose/prometheus.yml")
	for name, s := range project(t, nil).Services {
		if isNode(s) && !regexp.MustCompile(`[\["', ]`+name+`[:,\]]`).MatchString(text) {
			t.Errorf("%s is not scraped", name)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
