package rules

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// configMap is a directory as Kubernetes mounts a ConfigMap: the file is a link to ..data/NAME, and ..data is a link
// that is replaced as a whole.
type configMap struct {
	t   *testing.T
	dir string
	n   int
}

func (c *configMap) file() string { return filepath.Join(c.dir, "rules.yaml") }

// swap puts a new version of the file in place; "" takes the file away with it.
func (c *configMap) swap(text string) {
	c.t.Helper()
	c.n++
	version := "..v" + strings.Repeat("x", c.n)
	must := func(err error) {
		if err != nil {
			c.t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(c.dir, version), 0o700))
	if text != "" {
		must(os.WriteFile(filepath.Join(c.dir, version, "rules.yaml"), []byte(text), 0o600))
	}
	next := filepath.Join(c.dir, "..data_tmp")
	must(os.Symlink(version, next))
	must(os.Rename(next, filepath.Join(c.dir, "..data")))
	if c.n == 1 {
		must(os.Symlink(filepath.Join("..data", "rules.yaml"), c.file()))
	}
}

const (
	dropAll   = "rules: [{name: one, actions: [drop: ]}]"
	rejectAll = "rules: [{name: two, actions: [reject: ]}, {name: three, actions: [drop: ]}]"
)

// TestReload: a swapped file is in force soon; a bad one, and one that is gone, change nothing, and say so once.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &configMap{t: t, dir: t.TempDir()}
		c.swap(dropAll)
		core, logs := observer.New(zap.InfoLevel)
		reg := prometheus.NewRegistry()
		f, err := Open(c.file(), FileOptions{Log: zap.New(core), Factory: metric.For(reg, "rules")})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()

		expect := func(what, outcome string, ok, failures float64, lines ...string) {
			t.Helper()
			time.Sleep(10*time.Second + time.Millisecond)
			m := &Message{Key: "a", Payload: []byte("1")}
			if got := brief(NewJudge(nil).Judge(f.Current(), m, time.Now())); got != outcome {
				t.Errorf("%s: %s, want %s", what, got, outcome)
			}
			if got := testutil.ToFloat64(f.ok); got != ok {
				t.Errorf("%s: successful is %v", what, got)
			}
			if got := testutil.ToFloat64(f.failures); got != failures {
				t.Errorf("%s: %v failures, want %v", what, got, failures)
			}
			got := logs.TakeAll()
			if len(got) != len(lines) {
				t.Fatalf("%s: %v, want %d lines", what, got, len(lines))
			}
			for i, line := range lines {
				if text := got[i].Message + ": " + got[i].ContextMap()["file"].(string) + " " + errorOf(got[i]); !strings.Contains(text, line) {
					t.Errorf("%s: %q, want %q", what, text, line)
				}
			}
		}
		const drops, rejects = "drop by one", "reject by two; 403 refused by rule two"
		expect("unchanged", drops, 1, 0)
		c.swap(dropAll)
		expect("the same again", drops, 1, 0)
		c.swap("rules:\n- {name: x, when: paylod, actions: [drop: ]}\n- {name: y}")
		expect("bad", drops, 0, 1, "rules.yaml:2: rules[0].when: column 1: undeclared reference to 'paylod' (did you mean 'payload'?); ")
		c.swap("rules: 1")
		expect("bad in another way", drops, 0, 2, "rules.yaml:1: rules: must be a list")
		c.swap("")
		expect("gone", drops, 0, 3, "cannot be read: no such file or directory")
		c.swap(dropAll)
		expect("back", drops, 1, 3, "the file is again what is in force")
		c.swap(rejectAll)
		expect("new", rejects, 1, 3, "rules: loaded")
		if got := testutil.ToFloat64(f.rules); got != 2 {
			t.Errorf("%v rules", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func errorOf(e observer.LoggedEntry) string {
	text, _ := e.ContextMap()["error"].(string)
	return text
}

// TestHalfWritten: a file that is just being written does not count.
func TestHalfWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(dropAll)
	f, err := Open(file, FileOptions{Log: zap.NewNop(), Factory: metric.For(nil, "rules")})
	if err != nil {
		t.Fatal(err)
	}
	before := f.Current()
	write("rules: []")
	f.poll()
	write(rejectAll)
	f.poll()
	if f.Current() != before {
		t.Error("what was read once is in force")
	}
	f.poll()
	if n := f.Current().Len(); n != 2 {
		t.Errorf("%d rules", n)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.poll()
	write(rejectAll)
	f.poll()
	if got := testutil.ToFloat64(f.failures); got != 0 {
		t.Errorf("%v failures: the file was away for a moment only", got)
	}
}

// TestOpen: a bad file is an error; no file is none.
func TestOpen(t *testing.T) {
	f, err := Open("", FileOptions{})
	if f != nil || err != nil || f.Current() != nil || f.Current().Len() != 0 {
		t.Errorf("without a path: %v, %v", f, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Run(ctx); err != nil {
		t.Error(err)
	}
	o := FileOptions{Log: zap.NewNop(), Factory: metric.For(nil, "rules")}
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("rules:\n- {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe") // that nobody writes to
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		pipe: pipe + ": is not a regular file",
		dir:  dir + ": cannot be read: is a directory",
		bad:  bad + ":2: rules[0].name: required\n" + bad + ":2: rules[0].actions: required",
	} {
		if _, err := Open(path, o); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
