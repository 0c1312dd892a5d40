package e2e_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what a process should do at once.
const patience = 20 * time.Second

// process is a running program. It is killed when its test ends, and what it wrote is
// shown when that has failed.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr output
	done           chan struct{} // closed when the process has ended
}

// output is what a process wrote so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// launch starts the realtime binary with the settings in env and nothing else of the
// environment that could be a setting.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return launchProgram(t, nil, env, binary, args...)
}

// launchProgram starts any program; stdin may be nil.
func launchProgram(t *testing.T, stdin io.Reader, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, args...), done: make(chan struct{})}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			p.cmd.Env = append(p.cmd.Env, name+"="+value)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdin = stdin
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.SysProcAttr = childAttr()
	p.cmd.WaitDelay = time.Second // a grandchild may hold the pipes
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // what it says is in ProcessState
	}()
	t.Cleanup(func() {
		// The whole group: a browser is many processes.
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			t.Logf("%s\n--- stdout\n%s--- stderr\n%s", p.cmd, p.stdout.String(), p.stderr.String())
		}
	})
	return p
}

// runBinary starts the binary and waits for its end.
func runBinary(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := launch(t, env, args...)
	code = p.wait(patience)
	return code, p.stdout.String(), p.stderr.String()
}

// signal sends a signal to the process.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// wait returns the exit code of the process, -1 if a signal ended it. The test fails when
// that takes longer than limit.
func (p *process) wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		p.t.Fatalf("%s: still runs after %v", p.cmd, limit)
		return 0
	}
}

// terminate sends SIGTERM and wants the process to end with code 0 within limit.
func (p *process) terminate(limit time.Duration) {
	p.t.Helper()
	start := time.Now()
	p.signal(syscall.SIGTERM)
	if code := p.wait(limit); code != 0 {
		p.t.Fatalf("%s: exit code %d after SIGTERM", p.cmd, code)
	}
	p.t.Logf("ended %v after SIGTERM", time.Since(start).Round(time.Millisecond))
}

// find waits until out matches pattern and returns its first group.
func (p *process) find(out *output, pattern string) string {
	p.t.Helper()
	expr := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if m := expr.FindStringSubmatch(out.String()); m != nil {
			return m[len(m)-1]
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: no %s in its output after %v", p.cmd, pattern, patience)
		}
		select {
		case <-p.done:
			if expr.MatchString(out.String()) {
				continue
			}
			p.t.Fatalf("%s: ended without %s in its output", p.cmd, pattern)
		default:
		}
	}
}

// address waits until the process is ready and returns its host and port for clients here.
func (p *process) address() string {
	p.t.Helper()
	return "localhost:" + p.find(&p.stderr, `(?m)"msg":"ready".*"address":"[^"]*:(\d+)"`)
}

// get asks addr, host and port, for a page.
func get(t *testing.T, addr, path string) (code int, body string) {
	t.Helper()
	code, body, err := tryGet(addr, path)
	if err != nil {
		t.Fatal(err)
	}
	return code, body
}

func tryGet(addr, path string) (code int, body string, err error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// await waits until a page answers with code.
func await(t *testing.T, addr, path string, code int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got, body := get(t, addr, path)
		if got == code {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s%s: %d %s, not %d after %v", addr, path, got, body, code, patience)
		}
	}
}

// lines splits text that ends with a line break.
func lines(text string) []string {
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
