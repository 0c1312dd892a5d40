package cli

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHealth: the exit code tells what /readyz says of the process at HOST and PORT.
func TestHealth(t *testing.T) {
	ready := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"code":503,"message":"nats: not connected"}`)
			return
		}
		_, _ = io.WriteString(w, `{"status":"ready"}`)
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	gone := httptest.NewServer(nil)
	_, nobody, _ := net.SplitHostPort(gone.Listener.Addr().String())
	gone.Close()

	for _, tt := range []struct {
		name           string
		ready          bool
		env            map[string]string
		args           []string
		code           int
		stdout, stderr string // are in it
	}{
		{"by the environment", true, map[string]string{"PORT": port}, nil, 0, "ready", ""},
		{"everywhere is also here", true, map[string]string{"PORT": port, "HOST": "0.0.0.0"}, nil, 0, "ready", ""},
		{"by a host", true, map[string]string{"PORT": port, "HOST": "127.0.0.1"}, nil, 0, "ready", ""},
		{"the flag wins", true, map[string]string{"PORT": nobody}, []string{"-port", port}, 0, "ready", ""},
		{"not ready", false, map[string]string{"PORT": port}, nil, 1, "", "nats: not connected"},
		{"nobody there", true, map[string]string{"PORT": nobody}, nil, 1, "", "refused"},
		{"another address", true, map[string]string{"PORT": port, "HOST": "127.0.0.2"}, nil, 1, "", "refused"},
		{"help", true, nil, []string{"-h"}, 0, "Usage: realtime health", ""},
		{"a wrong flag", true, nil, []string{"-x"}, 2, "", "-x"},
		{"an argument", true, nil, []string{"now"}, 2, "", `"now"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ready = tt.ready
			var stdout, stderr strings.Builder
			lookup := func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }
			code := Health(tt.args, lookup, &stdout, &stderr)
			if code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
			if code != 0 && stdout.Len() > 0 || code == 0 && stderr.Len() > 0 {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
		})
	}
	if got := setting("PORT", func(string) (string, bool) { return "", false }); got != "8081" {
		t.Errorf("the port is %q by default", got)
	}
}
