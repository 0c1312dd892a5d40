package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// relay is a cluster of one topic, which all of its clients subscribe to. What is in lost it does not say.
type relay struct {
	lost string // a type of message

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	conn, _, _, err := ws.UpgradeHTTP(req, w)
	if err != nil {
		return
	}
	defer conn.Close()
	r.mu.Lock()
	r.conns = append(r.conns, conn)
	r.mu.Unlock()
	r.tell(conn, "Status", `{"status":"connected"}`)
	for {
		text, err := wsutil.ReadClientText(conn)
		if err != nil {
			return
		}
		var m struct {
			Type string
			Data struct{ Topic string }
		}
		if json.Unmarshal(text, &m) != nil {
			return
		}
		switch m.Type {
		case "Subscribe":
			r.tell(conn, "Status", `{"status":"subscribed"}`)
		case "Broadcast":
			if r.lost == "no topic" {
				r.tell(conn, "Error", `{"code":503,"message":"no owner"}`)
				return
			}
			r.mu.Lock()
			all := append([]net.Conn(nil), r.conns...)
			r.mu.Unlock()
			for _, c := range all {
				r.tell(c, "Broadcast", `{"topic":"`+m.Data.Topic+`","from_user":"`+checkWriter+`"}`)
			}
			r.tell(conn, "Ack", `{"status":"accepted"}`)
		}
	}
}

func (r *relay) tell(conn net.Conn, kind, data string) {
	if kind != r.lost {
		_ = wsutil.WriteServerText(conn, []byte(`{"type":"`+kind+`","data":`+data+`}`))
	}
}

// TestCheck: it succeeds only where both the Ack and the delivery come.
func TestCheck(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		name           string
		lost           string
		secret         string
		args           []string
		code           int
		stdout, stderr string // are in it
	}{
		{"delivered", "", secret, nil, 0, "accepted and delivered within", ""},
		{"no delivery", "Broadcast", secret, nil, 1, "", "the delivery"},
		{"no Ack", "Ack", secret, nil, 1, "", "the Ack"},
		{"an error", "no topic", secret, nil, 1, "", "error 503: no owner"},
		{"no welcome", "Status", secret, nil, 1, "", "the subscriber: welcome"},
		{"no secret", "", "", nil, 2, "", "JWT_SECRET"},
		{"help", "", secret, []string{"-h"}, 0, "Usage: realtime check", ""},
		{"a wrong flag", "", secret, []string{"-x"}, 2, "", "-x"},
		{"an argument", "", secret, []string{"now"}, 2, "", `"now"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(&relay{lost: tt.lost})
			defer server.Close()
			timeout := "30s"
			if tt.code == 1 {
				timeout = "2s"
			}
			args := append([]string{"-url", "ws" + strings.TrimPrefix(server.URL, "http"), "-timeout", timeout}, tt.args...)
			lookup := func(name string) (string, bool) { return tt.secret, name == "JWT_SECRET" }
			var stdout, stderr strings.Builder
			code := Check(args, lookup, &stdout, &stderr)
			if code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
		})
	}
}
