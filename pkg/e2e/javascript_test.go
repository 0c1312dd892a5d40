package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"
)

// visit is what testdata/client.js tells of one connection.
type visit struct {
	Name     string
	Protocol *string // null: it never opened
	Frames   []string
	Close    *struct {
		Code     int
		Reason   string
		WasClean bool
	}
	Error *string
}

// nodeArgs finds Node, and what makes it have the browser's WebSocket.
func nodeArgs(t *testing.T) (path string, args []string) {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("this test needs Node, 20.10 or later, in PATH: apt-get install nodejs, or https://nodejs.org")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	m := regexp.MustCompile(`^v(\d+)\.(\d+)\.`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("node --version: %v, %q", err, out)
	}
	major, _ := strconv.Atoi(string(m[1]))
	minor, _ := strconv.Atoi(string(m[2]))
	switch {
	case major < 20 || major == 20 && minor < 10:
		t.Fatalf("this test needs Node, 20.10 or later, and %s is %s: https://nodejs.org", path, out)
	case major < 22:
		args = []string{"--experimental-websocket", "--no-warnings"}
	}
	return path, args
}

// node starts a script in Node, with testdata/client.js loaded.
func node(t *testing.T, script string) *process {
	t.Helper()
	path, args := nodeArgs(t)
	return launchProgram(t, nil, nil, path, append(args, "-r", "./testdata/client.js", "-e", script)...)
}

// page is a web page that runs a script, and hears what it tells.
type page struct {
	*httptest.Server
	mux  *http.ServeMux
	said chan string // lines of console.log
}

// newPage serves a page, empty for now. Its origin is http://localhost and a port.
func newPage(t *testing.T) *page {
	t.Helper()
	p := &page{mux: http.NewServeMux(), said: make(chan string, 1000)}
	p.mux.HandleFunc("GET /client.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "testdata/client.js")
	})
	p.mux.HandleFunc("POST /tell", func(w http.ResponseWriter, r *http.Request) {
		line, _ := io.ReadAll(r.Body)
		p.said <- string(line)
		w.WriteHeader(http.StatusNoContent)
	})
	p.Server = httptest.NewServer(p.mux)
	p.URL = strings.Replace(p.URL, "127.0.0.1", "localhost", 1)
	t.Cleanup(p.Close)
	return p
}

// show lets a browser, which it returns, run a script in the page.
func (p *page) show(t *testing.T, script string) *process {
	t.Helper()
	text, err := os.ReadFile("testdata/page.html")
	if err != nil {
		t.Fatal(err)
	}
	html := template.Must(template.New("page").Parse(string(text)))
	p.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = html.Execute(w, script)
	})
	return browse(t, p.URL+"/")
}

// hear returns the next line that the page tells.
func (p *page) hear(t *testing.T) string {
	t.Helper()
	select {
	case line := <-p.said:
		if strings.HasPrefix(line, "page error:") {
			t.Fatal(line)
		}
		return line
	case <-time.After(patience):
		t.Fatalf("the page said nothing for %v", patience)
		return ""
	}
}

// browse opens a page in headless Chromium, which lives until the test ends.
func browse(t *testing.T, url string) *process {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("this test needs Chromium or Chrome in PATH: apt-get install chromium")
	}
	// Not t.TempDir: Chromium's helpers may write for a moment after its end.
	profile, err := os.MkdirTemp("", "realtime-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 50 {
			if os.RemoveAll(profile) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return launchProgram(t, nil, nil, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
		"--log-level=3",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
		"--no-first-run", "--no-default-browser-check", "--password-store=basic", "--use-mock-keychain",
		"--user-data-dir="+profile, url)
}

// payload is JSON that no encoder writes: spaces, a number with an exponent, escapes that need
// not be, text that is not ASCII, and a key twice.
const payload = `{ "n" : 1.50E+2,"s":"\u0068ello\/ \"é\" 😀","a":[ ],"a":null}`

// tourCases are the ways in which a browser can bring its token.
func tourCases(t *testing.T, addr, token string) (cases []map[string]any, protocols map[string]string) {
	t.Helper()
	url := "ws://" + addr + "/ws"
	own := "access_token." + token
	protocols = map[string]string{"query": "", "own": own, "both": "realtime.v1", "reversed": "realtime.v1", "query-and-version": "realtime.v1"}
	return []map[string]any{
		{"name": "query", "url": url + "?token=" + token},
		{"name": "own", "url": url, "protocols": []string{own}},
		{"name": "both", "url": url, "protocols": []string{"realtime.v1", own}},
		{"name": "reversed", "url": url, "protocols": []string{own, "realtime.v1"}},
		{"name": "query-and-version", "url": url + "?token=" + token, "protocols": []string{"realtime.v1"}},
	}, protocols
}

func tourScript(t *testing.T, cases any) string {
	t.Helper()
	list, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("tour(%s, String.raw`%s`).then((r) => console.log(JSON.stringify(r)));", list, payload)
}

// checkTour holds what a client tells to the contract.
func checkTour(t *testing.T, told, user string, protocols map[string]string) {
	t.Helper()
	var visits []visit
	if err := json.Unmarshal([]byte(told), &visits); err != nil || len(visits) != len(protocols) {
		t.Fatalf("%v, %s", err, told)
	}
	for _, v := range visits {
		if v.Error != nil || v.Protocol == nil || *v.Protocol != protocols[v.Name] || v.Close == nil || v.Close.Code != 1000 || !v.Close.WasClean {
			t.Errorf("%s: want protocol %q and a clean end in\n%s", v.Name, protocols[v.Name], told)
			continue
		}
		topic := `"topic":"js.` + v.Name + `"`
		for i, want := range []string{
			`"type":"Status","data":{"status":"connected"`, `"user_id":"` + user + `"`,
			`"status":"subscribed"`, `"active_subscriptions":1`,
			`"type":"Broadcast"`, topic, `"payload":` + payload, `"from_user":"` + user + `"`, `"message_id":"pub"`,
			`"type":"Ack"`, `"status":"accepted"`,
		} {
			if !strings.Contains(strings.Join(v.Frames, "\n"), want) {
				t.Errorf("%s: %d: no %s in\n%s", v.Name, i, want, strings.Join(v.Frames, "\n"))
			}
		}
		if len(v.Frames) != 4 {
			t.Errorf("%s: %d frames, not 4:\n%s", v.Name, len(v.Frames), strings.Join(v.Frames, "\n"))
		}
	}
}

// TestJavaScript: the browser's WebSocket, in Node and in a browser, with each way of
// bringing the token.
func TestJavaScript(t *testing.T) {
	t.Parallel()
	ours, other := newPage(t), newPage(t)
	addr := launch(t, []string{
		"JWT_SECRET=" + secret, "PORT=0", "DATA_DIR=" + t.TempDir(), "ALLOWED_ORIGINS=https://example.com," + ours.URL,
	}).address()
	cases, protocols := tourCases(t, addr, mint(t, "zoë"))

	t.Run("node", func(t *testing.T) {
		t.Parallel()
		p := node(t, tourScript(t, cases))
		if code := p.wait(patience); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		checkTour(t, p.stdout.String(), "zoë", protocols)
	})
	t.Run("browser", func(t *testing.T) {
		t.Parallel()
		ours.show(t, tourScript(t, cases))
		checkTour(t, ours.hear(t), "zoë", protocols)
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		// The same from a page of another origin, whose token is as good.
		other.show(t, tourScript(t, cases[:2]))
		var visits []visit
		told := other.hear(t)
		if err := json.Unmarshal([]byte(told), &visits); err != nil || len(visits) != 2 {
			t.Fatalf("%v, %s", err, told)
		}
		for _, v := range visits {
			if v.Protocol != nil || len(v.Frames) > 0 || v.Close == nil || v.Close.Code != 1006 {
				t.Errorf("%s: a page of %s got in: %s", v.Name, other.URL, told)
			}
		}
		_, metrics := get(t, addr, "/metrics")
		if !regexp.MustCompile(`realtime_gateway_handshakes_total\{[^}]*"403"[^}]*\} 2`).MatchString(metrics) {
			t.Errorf("no two 403 in\n%s", regexp.MustCompile(`(?m)^realtime_gateway_handshakes.*$`).FindAllString(metrics, -1))
		}
	})
}
