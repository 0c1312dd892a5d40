package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/auth"
)

func TestCompare(t *testing.T) {
	good := report{Connections: 20, Sent: 60, Acked: 60, Delivered: 600, Expected: 600, P50: 2}
	for _, c := range []struct {
		name   string
		change func(*report)
		want   string // in the error; none when empty
	}{
		{"equal", func(*report) {}, ""},
		{"median within", func(r *report) { r.P50 = 6.9 }, ""},
		{"median beyond", func(r *report) { r.P50 = 7.1 }, "median"},
		{"no median", func(r *report) { r.P50 = 0 }, "median"},
		{"connections", func(r *report) { r.Connections-- }, "connections"},
		{"sent", func(r *report) { r.Sent-- }, "sent"},
		{"acked", func(r *report) { r.Acked-- }, "acked"},
		{"delivered", func(r *report) { r.Delivered-- }, "delivered"},
		{"lost", func(r *report) { r.Lost++ }, "lost"},
		{"repeated", func(r *report) { r.Doubled++ }, "repeated"},
		{"disordered", func(r *report) { r.Disordered++ }, "disordered"},
		{"errors", func(r *report) { r.Errors++ }, "errors"},
	} {
		other := good
		c.change(&other)
		for _, err := range []error{compare(io.Discard, good, other, 5*time.Millisecond), compare(io.Discard, other, good, 5*time.Millisecond)} {
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: got %v, want %q", c.name, err, c.want)
			}
		}
	}
	if compare(io.Discard, report{P50: 1}, report{P50: 1}, time.Second) == nil {
		t.Error("two reports of nothing were accepted")
	}
}

// TestLibrary runs the scripts' library under Node, with a stand-in for k6's cryptography.
func TestLibrary(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"package.json":                 `{"type":"module"}`,
		"node_modules/k6/package.json": `{"name":"k6","type":"module","exports":{"./crypto":"./crypto.js","./encoding":"./encoding.js"}}`,
		"node_modules/k6/crypto.js": `import c from 'node:crypto';
			export default { hmac: (hash, key, text, form) => { if (form !== 'base64rawurl') throw form; return c.createHmac(hash, key).update(text).digest('base64url'); } };`,
		"node_modules/k6/encoding.js": `export default { b64encode: (text, form) => { if (form !== 'rawurl') throw form; return Buffer.from(text).toString('base64url'); } };`,
	} {
		write(t, filepath.Join(dir, name), []byte(text))
	}
	for _, name := range []string{"lib/token.js", "lib/plan.js", "lib/ledger.js", "lib/options.js", "check/library.js"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "k6", name), text)
	}
	const secret = "0123456789abcdef0123456789abcdef"
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "k6/check/library.js"), secret)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	token, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	v, err := auth.New(t.Context(), auth.Config{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := v.Verify(strings.TrimSpace(string(token)))
	if err != nil {
		t.Fatal(err)
	}
	if claims.User != "k6-alice" {
		t.Errorf("the token is of %q", claims.User)
	}
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
