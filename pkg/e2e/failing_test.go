package e2e_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// faulty builds the program with the tag broken: it fails where REALTIME_FAULT says.
func faulty(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "realtime")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "broken", "-o", file, "github.com/realtime-cluster/realtime")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

// Parts that fail now and then are restarted, and the process goes on; one that fails again and again makes the process unready, and
// ends it with an error.
func TestFailingParts(t *testing.T) {
	program := faulty(t)
	env := func(faults string) []string {
		return []string{
			"JWT_SECRET=" + secret, "PORT=0", "HOST=127.0.0.1", "DATA_DIR=" + t.TempDir(), "DRAIN_PERIOD=0", "SHUTDOWN_TIMEOUT=3s", "REALTIME_FAULT=" + faults,
		}
	}
	t.Run("restarted", func(t *testing.T) {
		p := launchProgram(t, nil, env("gateway.turn=4s,lane.turn=5s,lane.apply=6s"), program)
		addr := p.address()
		deadline := time.Now().Add(patience)
		for n := 0; n < 2; time.Sleep(50 * time.Millisecond) {
			_, page, _ := tryGet(addr, "/metrics") // a loop that fails takes the connection along
			n = 0
			for line := range strings.Lines(page) {
				if strings.HasPrefix(line, "realtime_part_restarts_total{") && strings.HasSuffix(line, " 1\n") {
					n++
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d parts were restarted", n)
			}
		}
		for {
			code, page, _ := tryGet(addr, "/readyz")
			if code == http.StatusOK {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("not ready: %s", page)
			}
			time.Sleep(50 * time.Millisecond)
		}
		p.terminate(15 * time.Second)
	})
	t.Run("given up", func(t *testing.T) {
		p := launchProgram(t, nil, env("lane.turn=4s/10ms"), program)
		addr := p.address()
		unready := time.Time{}
		for deadline := time.Now().Add(patience); unready.IsZero(); time.Sleep(20 * time.Millisecond) {
			code, page, _ := tryGet(addr, "/readyz")
			var answer struct{ Message string }
			if json.Unmarshal([]byte(page), &answer) == nil && code == http.StatusServiceUnavailable && strings.HasPrefix(answer.Message, "supervisor: ") {
				unready = time.Now()
			}
			if time.Now().After(deadline) {
				t.Fatalf("still %d %s", code, page)
			}
		}
		code := p.wait(patience)
		if code == 0 {
			t.Error("exit code 0")
		}
		t.Logf("exit code %d, %v after it was unready", code, time.Since(unready).Round(time.Millisecond))
		// UnreadyTime, and SHUTDOWN_TIMEOUT as lanes that are gone do not answer any more.
		if took := time.Since(unready); took < 4*time.Second || took > 12*time.Second {
			t.Errorf("it ended %v after it was unready", took)
		}
		if !strings.Contains(p.stderr.String(), "lane") || !strings.Contains(p.stderr.String(), "failed 6 times within 1m0s: panic: fault: lane.turn") {
			t.Error("stderr does not say which part failed")
		}
	})
}
