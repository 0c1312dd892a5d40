// Package pkg_test holds the project's packages to which may know which.
package pkg_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/realtime-cluster/realtime"

// roles meet on NATS, never in code.
var roles = []string{"gateway", "router", "presence"}

type goPackage struct {
	ImportPath   string
	Deps         []string // of the package itself, direct and indirect
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Deps,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	all := make(map[string]goPackage)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if name, ok := local(p.ImportPath); ok && !within(name, "tmp") { // tmp is not in the repository
			all[name] = p
		}
	}
	for _, must := range append([]string{"", "loadtest", "pkg/wire", "pkg/auth"}, roles...) {
		if _, ok := all[must]; !ok {
			t.Fatalf("go list knows no package %q", must)
		}
	}
	return all
}

// local returns the path of a package within the module; "" is the program itself.
func local(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// within reports whether a package is dir or below it.
func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

func roleOf(name string) string {
	for _, r := range roles {
		if within(name, r) {
			return r
		}
	}
	return ""
}

// TestDependencies: main → gateway | router | presence → pkg, and loadtest, which is a client, beside them.
func TestDependencies(t *testing.T) {
	for name, p := range packages(t) {
		for _, path := range p.Deps {
			dep, ok := local(path)
			if !ok || dep == name {
				continue
			}
			if why := forbidden(name, dep); why != "" {
				t.Errorf("%s depends on %s: %s", p.ImportPath, path, why)
			}
		}
		if !within(name, "loadtest") && !within(name, "pkg") {
			continue // a role's tests may start others around it
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			if dep, ok := local(path); ok && roleOf(dep) != "" {
				t.Errorf("a test of %s imports %s", p.ImportPath, path)
			}
		}
	}
}

func forbidden(name, dep string) string {
	switch from, to := roleOf(name), roleOf(dep); {
	case dep == "":
		return "that is the program"
	case from != "" && to != "" && from != to:
		return "roles meet on NATS"
	case within(name, "pkg") && !within(dep, "pkg"):
		return "what is shared knows nobody who shares it"
	case within(name, "loadtest") && !within(dep, "loadtest") && dep != "pkg/auth":
		return "loadtest knows the client protocol only, and how to sign a token"
	case !within(name, "loadtest") && within(dep, "loadtest"):
		return "that is for tests"
	}
	return ""
}

// TestForbidden: the rules say what they should.
func TestForbidden(t *testing.T) {
	for _, tt := range []struct {
		name, dep string
		ok        bool
	}{
		{"", "gateway", true}, {"", "router", true}, {"", "pkg/ops", true}, {"gateway", "pkg/wire", true},
		{"pkg/owner", "pkg/link", true}, {"loadtest/bench", "loadtest/client", true}, {"loadtest/client", "pkg/auth", true},
		{"gateway", "router", false}, {"router", "presence/rooms", false}, {"gateway", "", false}, {"pkg/ops", "gateway", false},
		{"pkg/ops", "loadtest", false}, {"loadtest", "gateway", false}, {"loadtest", "pkg/protocol", false}, {"", "loadtest", false},
		{"gateway/x", "gateway", true}, {"gatewayish", "router", true},
	} {
		if why := forbidden(tt.name, tt.dep); (why == "") != tt.ok {
			t.Errorf("%q on %q: %q", tt.name, tt.dep, why)
		}
	}
}

// TestSelfContained: nothing points outside of the repository to files that others do not have.
func TestSelfContained(t *testing.T) {
	outside := []byte(".." + "/shared")
	skip := []string{".git", "bin", "tmp", "data"} // what is not in the repository
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains(skip, d.Name()) {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file of another test, gone by now
		}
		if bytes.Contains(text, outside) {
			t.Errorf("%s mentions %s", path, outside)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
