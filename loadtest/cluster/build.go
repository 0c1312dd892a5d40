package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

const natsPackage = "github.com/nats-io/nats-server/v2"

var builds struct {
	sync.Mutex
	done map[string]string // name → file, built by this process
}

// RealtimeBinary builds the module's binary into tmp/ of the module, once per
// process, and returns its path. Go's build cache makes it cheap when nothing
// changed.
func RealtimeBinary(ctx context.Context) (string, error) {
	return build(ctx, ".", "realtime", "")
}

// TaggedBinary does the same with build tags, separated by commas.
func TaggedBinary(ctx context.Context, tags string) (string, error) {
	if tags == "" {
		return RealtimeBinary(ctx)
	}
	return build(ctx, ".", "realtime-"+strings.ReplaceAll(tags, ",", "-"), tags)
}

// NATSBinary does the same for the nats-server that go.mod pins.
func NATSBinary(ctx context.Context) (string, error) {
	return build(ctx, natsPackage, "nats-server", "")
}

func build(ctx context.Context, pkg, name, tags string) (string, error) {
	builds.Lock()
	defer builds.Unlock()
	if file, ok := builds.done[name]; ok {
		return file, nil
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "tmp")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	// Test binaries of several packages run at once and write the same file.
	unlock, err := lockFile(filepath.Join(dir, ".build.lock"))
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	defer unlock()
	file := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-o", file, pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	if builds.done == nil {
		builds.done = make(map[string]string)
	}
	builds.done[name] = file
	return file, nil
}

func moduleRoot(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOMOD")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w\n%s", err, stderr.Bytes())
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("find the module: not inside one (GOMOD=%q)", mod)
	}
	return filepath.Dir(mod), nil
}
