package e2e_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// awaitPage asks for a page until it is answered with a code and a text.
func awaitPage(t *testing.T, addr, path string, code int, text string) {
	t.Helper()
	for deadline := time.Now().Add(3 * patience); ; time.Sleep(20 * time.Millisecond) {
		got, body, err := tryGet(addr, path)
		if err == nil && got == code && strings.Contains(body, text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %d %s %v, not %d with %q", path, got, body, err, code, text)
		}
	}
}

// TestStuckPartsAreNotLive: a loop or a lane that hangs makes /livez say so, by its name; one that is slow makes the gateway unready.
func TestStuckPartsAreNotLive(t *testing.T) {
	t.Parallel()
	program := faulty(t)
	for _, tt := range []struct {
		fault, path string
		want        string
		live        bool
	}{
		{"gateway.turn=3s:1h", "/livez", "supervisor: stuck: gateway loop ", false},
		{"lane.turn=3s:1h", "/livez", " lane ", false},
		{"gateway.turn=3s/1ms:600ms", "/readyz", "gateway: overloaded: loop ", true},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			p := launchProgram(t, nil, []string{
				"JWT_SECRET=" + secret, "PORT=0", "HOST=127.0.0.1", "DATA_DIR=" + t.TempDir(), "LOOPS=2", "LANES=2", "REALTIME_FAULT=" + tt.fault,
			}, program)
			addr := p.address()
			awaitPage(t, addr, tt.path, http.StatusServiceUnavailable, tt.want)
			if code, body, err := tryGet(addr, "/livez"); (code == http.StatusOK) != tt.live {
				t.Errorf("/livez: %d %s %v", code, body, err)
			}
			_ = p.cmd.Process.Kill()
			p.wait(patience)
		})
	}
}

// TestFullGatewayIsNotReady: at MAX_CONNECTIONS, until there is some room again.
func TestFullGatewayIsNotReady(t *testing.T) {
	t.Parallel()
	p, addr := launchAll(t, "MAX_CONNECTIONS=3")
	var all []*client.Client
	for range 3 {
		awaitPage(t, addr, "/readyz", http.StatusOK, "ready")
		c, err := client.Dial(t.Context(), "ws://"+addr+"/ws", mint(t, "alice"), client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	awaitPage(t, addr, "/readyz", http.StatusServiceUnavailable, "gateway: overloaded: at MAX_CONNECTIONS")
	if code, body, _ := tryGet(addr, "/livez"); code != http.StatusOK {
		t.Errorf("/livez: %d %s", code, body)
	}
	_ = all[0].Close()
	awaitPage(t, addr, "/readyz", http.StatusOK, "ready")
	p.terminate(patience)
}

// TestDrainingIsNotReady: from the first signal on; the process is live, and its clients stay for a moment. The second signal tells them at once.
func TestDrainingIsNotReady(t *testing.T) {
	t.Parallel()
	p, addr := launchAll(t)
	c := deaf(t, addr)
	p.signal(syscall.SIGTERM)
	awaitPage(t, addr, "/readyz", http.StatusServiceUnavailable, "gateway: draining")
	if code, body, _ := tryGet(addr, "/livez"); code != http.StatusOK {
		t.Errorf("/livez: %d %s", code, body)
	}
	p.signal(syscall.SIGTERM)
	readUntil(t, c, `"draining"`)
	if code := p.wait(lingerTime); code != 1 {
		t.Errorf("exit code %d", code)
	}
}
