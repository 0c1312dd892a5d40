package e2e_test

import (
	"encoding/json"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// dev is realtime -dev, and what it has put on the screen.
type dev struct {
	*process
	addr    string            // host:port
	tokens  map[string]string // by user
	snippet string
}

func launchDev(t *testing.T, env ...string) *dev {
	t.Helper()
	d := &dev{
		process: launch(t, append([]string{"PORT=0", "DATA_DIR=" + filepath.Join(t.TempDir(), "made", "if", "missing")}, env...), "-dev"),
		tokens:  make(map[string]string),
	}
	d.find(&d.stdout, `(?m)^  };\n\n`)
	screen := d.stdout.String()
	d.addr = d.find(&d.stdout, `(?m)^  WebSocket +ws://(\S+)/ws$`)
	for _, m := range regexp.MustCompile(`(?m)^  Token of (\w+) +(\S+)$`).FindAllStringSubmatch(screen, -1) {
		d.tokens[m[1]] = m[2]
	}
	_, after, _ := strings.Cut(screen, "Paste this into")
	_, d.snippet, _ = strings.Cut(after, "\n")
	return d
}

// TestDevelopmentMode: with no setting at all, everything runs and says how to try it.
func TestDevelopmentMode(t *testing.T) {
	t.Parallel()
	d := launchDev(t)
	for user, token := range map[string]string{"alice": d.tokens["alice"], "bob": d.tokens["bob"]} {
		c, err := client.Dial(t.Context(), "ws://"+d.addr+"/ws", token, client.Options{})
		if err != nil {
			t.Fatalf("token of %s: %v", user, err)
		}
		if got := c.Welcome().UserID; got != user {
			t.Errorf("the token of %s is %s's", user, got)
		}
		_ = c.Close()
	}

	var health struct {
		Status string
		Active *int           `json:"active_connections"`
		Max    int            `json:"max_connections"`
		Uptime *int           `json:"uptime_seconds"`
		Parts  map[string]any `json:"components"`
	}
	code, body := get(t, d.addr, "/health")
	if err := json.Unmarshal([]byte(body), &health); err != nil || code != 200 || health.Status != "healthy" ||
		health.Active == nil || health.Max != 10000 || health.Uptime == nil || len(health.Parts) != 10 {
		t.Errorf("/health: %d %s", code, body)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if code, body := get(t, d.addr, path); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	var info struct {
		Name, Version, Role string
		Protocol            string `json:"protocol_version"`
		Settings            map[string]string
		Features            []string
		Stats               map[string]int
	}
	code, body = get(t, d.addr, "/info")
	if err := json.Unmarshal([]byte(body), &info); err != nil || code != 200 || info.Name != "realtime" ||
		info.Version != "v1.2.3-test" || info.Role != "all" || info.Protocol != "1" || info.Settings["DEV"] != "true" ||
		len(info.Features) == 0 || info.Stats["routers"] != 1 {
		t.Errorf("/info: %d %s", code, body)
	}
	code, metrics := get(t, d.addr, "/metrics")
	if code != 200 || !strings.Contains(metrics, "realtime_gateway_connections") {
		t.Errorf("/metrics: %d %.500s", code, metrics)
	}
	for _, secret := range []string{d.tokens["alice"], d.tokens["bob"], "JWT_SECRET"} {
		if strings.Contains(body+metrics, secret) {
			t.Errorf("%q is on a page:\n%s", secret, body)
		}
	}

	// A start is a few lines to read, each on something that happened.
	if n := strings.Count(d.stderr.String(), "INFO"); n > 10 {
		t.Errorf("%d lines in the log of a start", n)
	}
	d.terminate(patience)
}

// TestDevelopmentModeWithSecret: a secret that is set is used, and its tokens outlive the process.
func TestDevelopmentModeWithSecret(t *testing.T) {
	t.Parallel()
	d := launchDev(t, "JWT_SECRET="+secret, "HOST=127.0.0.1")
	c, err := client.Dial(t.Context(), "ws://"+d.addr+"/ws", mint(t, "carol"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if strings.Contains(d.stdout.String(), "one-off") {
		t.Error("the secret is said to be a one-off")
	}
}

// TestSnippet: what the screen says to paste works when it is pasted.
func TestSnippet(t *testing.T) {
	t.Parallel()
	d := launchDev(t)
	wanted := []string{
		`"status":"connected"`, `"status":"subscribed"`,
		`"type":"Broadcast","data":{"topic":"chat.lobby","payload":"hello","from_user":"alice"`, `"type":"Ack"`,
		`"message_id":"3","status":"queued"`,
	}
	t.Run("node", func(t *testing.T) {
		t.Parallel()
		path, args := nodeArgs(t)
		in, out := io.Pipe()
		defer out.Close()
		p := launchProgram(t, in, nil, path, append(args, "-i")...) // its console, that takes lines
		if _, err := io.WriteString(out, d.snippet); err != nil {
			t.Fatal(err)
		}
		for _, want := range wanted {
			p.find(&p.stdout, "("+regexp.QuoteMeta(want)+")")
		}
	})
	t.Run("browser", func(t *testing.T) {
		t.Parallel()
		p := newPage(t)
		p.show(t, d.snippet)
		var heard []string
		for range wanted {
			heard = append(heard, p.hear(t))
		}
		for _, want := range wanted {
			if !strings.Contains(strings.Join(heard, "\n"), want) {
				t.Errorf("no %s in\n%s", want, strings.Join(heard, "\n"))
			}
		}
	})
}
