//go:build linux

package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

// The test binary plays the workers.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerFlag {
		os.Exit(workerMain())
	}
	os.Exit(m.Run())
}

const testSecret = "test-secret-of-thirty-two-bytes-or-more"

// parse reads flags for a quick run.
func parse(t *testing.T, args ...string) settings {
	t.Helper()
	set, err := parseSettings(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	set.tick = 100 * time.Millisecond
	return set
}

func TestScenarios(t *testing.T) {
	c := cluster.StartTest(t, cluster.Spec{All: 1, Secret: testSecret, Env: []string{"RATE_LIMIT_ENABLED=false"}})
	for _, tt := range []struct {
		name     string
		sent     int
		expected int // deliveries
		args     []string
	}{
		{"idle", 0, 0, []string{"-steps=3", "-settle=300ms", "-own=2"}},
		{"storm", 0, 0, nil},
		{"fanout", 20, 20 * 43, []string{"-messages=20"}},
		{"hot", 60, 60 * 43 / 4, []string{"-messages=60", "-publishers=2"}}, // about: one of the topics has 10 connections
		{"chat", 100, 0, []string{"-messages=100", "-rate=300"}},
		{"rooms", 100, 0, []string{"-messages=100"}},
		{"direct", 100, 100, []string{"-messages=100"}},
		{"presence", 60, 0, []string{"-messages=60"}},
		{"mixed", 100, 0, []string{"-messages=100", "-shared-messages=10"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "report.json")
			set := parse(t, append([]string{
				"-scenario=" + tt.name, "-connections=43", "-processes=2", "-duration=1s", "-url=" + c.WS()[0], "-secret=" + testSecret,
				fmt.Sprintf("-pids=all-1=%d", c.Alls[0].PID()), "-json=" + file,
			}, tt.args...)...)
			var out strings.Builder
			if err := runWith(t.Context(), set, &out, t.Output()); err != nil {
				t.Fatal(err)
			}
			t.Logf("\n%s", out.String())
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(b), testSecret) {
				t.Error("the report has the secret")
			}
			var rep report
			if err := json.Unmarshal(b, &rep); err != nil {
				t.Fatal(err)
			}
			checkReport(t, &rep, tt.sent)
			if e := float64(tt.expected); e > 0 && (float64(rep.Expected) < e*0.9 || float64(rep.Expected) > e*1.1) {
				t.Errorf("%d deliveries, want about %d", rep.Expected, tt.expected)
			}
			hasWhatIsPromised(t, b)
		})
	}
}

// checkReport is of a run on servers that do all they should.
func checkReport(t *testing.T, rep *report, sent int) {
	t.Helper()
	if rep.Connections != 43 || rep.Connect.Welcome.N != 43 || rep.Connect.Greeted.N != 43 || rep.Connect.CPU <= 0 {
		t.Errorf("%d connections: %+v", rep.Connections, rep.Connect)
	}
	if rep.Scenario == "mixed" {
		sent += 10
	}
	// What each worker rounds is its own.
	if rep.Sent < sent-10 || rep.Sent > sent+10 || rep.Acked != rep.Sent || rep.Unsent != 0 {
		t.Errorf("%d sent of %d, %d acked", rep.Sent, sent, rep.Acked)
	}
	if rep.Delivered != rep.Expected || rep.broken() != 0 || rep.Excused != 0 || rep.Errors != 0 || len(rep.Closed) != 0 {
		t.Errorf("%d of %d delivered; %+v; errors %v, closed %v", rep.Delivered, rep.Expected, rep.wrongs, rep.ErrorCodes, rep.Closed)
	}
	if rep.Delivery.N != int64(rep.Delivered) || rep.Ack.N != int64(rep.Acked) || sent > 0 && (rep.P50 <= 0 || rep.P99 < rep.P50 || len(rep.Distribution) < 3) {
		t.Errorf("latency %+v", rep.Delivery)
	}
	if s := rep.Server; s == nil || len(s.Processes) != 1 || s.Processes[0].Name != "all-1" || s.RSS < 1<<20 || s.CPUPercent <= 0 || sent > 0 && s.CPU <= 0 {
		t.Errorf("server %+v", s)
	}
	if len(rep.Series) < 5 || rep.Series[len(rep.Series)-1].Connections != 43 || rep.Series[3].RSS[0] < 1<<20 {
		t.Errorf("%d moments", len(rep.Series))
	}
	if rep.Scenario == "mixed" && len(rep.ByKind) != 5 {
		t.Errorf("kinds %+v", rep.ByKind)
	}
	if rep.Scenario == "idle" && (len(rep.Connect.Steps) != 3 || rep.Connect.Steps[0].Connections != 14) {
		t.Errorf("steps %+v", rep.Connect.Steps)
	}
}

// hasWhatIsPromised: the names by which others read the report.
func hasWhatIsPromised(t *testing.T, b []byte) {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"scenario", "connections", "sent", "delivered", "lost", "p50_ms", "p95_ms", "p99_ms", "errors", "error_codes", "doubled", "disordered", "misdelivered",
		"connect.welcome.p99_ms", "connect.per_second", "connect.server_us_per_connection", "connect.steps", "delivery.p999_ms", "ack.p50_ms",
		"server.us_per_delivery", "server.bytes_per_connection", "server.processes", "clients.cpu_percent", "failures", "series", "seconds", "interrupted",
	} {
		v := any(m)
		for part := range strings.SplitSeq(name, ".") {
			inner, _ := v.(map[string]any)
			v = inner[part]
		}
		if v == nil {
			t.Errorf("the report has no %s", name)
		}
	}
}

// A server that breaks promises is found out.
func TestBrokenServers(t *testing.T) {
	for _, tt := range []struct {
		name string
		hub  *hub.Hub
		want wrongs
		code string
	}{
		{"loses", &hub.Hub{Mangle: fate(hub.Drop)}, wrongs{Lost: 1}, ""},
		{"doubles", &hub.Hub{Mangle: fate(hub.Double)}, wrongs{Doubled: 1}, ""},
		{"swaps", &hub.Hub{Mangle: fate(hub.Swap)}, wrongs{Disordered: 1}, ""},
		{"refuses", &hub.Hub{Answer: refuse}, wrongs{}, "503"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.hub.Handler())
			defer s.Close()
			defer tt.hub.Close()
			set := parse(t, "-scenario=fanout", "-connections=12", "-processes=2", "-messages=50", "-duration=500ms", "-patience=300ms",
				"-secret="+testSecret, "-url="+strings.Replace(s.URL, "http:", "ws:", 1)+"/ws")
			rep, err := measure(t.Context(), set, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			got := rep.wrongs
			got.Examples = nil
			if fmt.Sprint(got) != fmt.Sprint(tt.want) || rep.ErrorCodes[tt.code] != map[bool]int{true: 1}[tt.code != ""] {
				t.Errorf("%+v, errors %v", rep.wrongs, rep.ErrorCodes)
			}
			if broken := got.broken() > 0; broken != (len(rep.Failures) > 0) || broken != (len(rep.Examples) > 0) {
				t.Errorf("failures %q, examples %q", rep.Failures, rep.Examples)
			}
		})
	}
}

func fate(f hub.Fate) func(c, n int) hub.Fate {
	return func(c, n int) hub.Fate {
		if c == 7 && n == 10 {
			return f
		}
		return hub.Pass
	}
}

func refuse(n int, id, reply string) string {
	if n == 3 {
		return `{"type":"Error","id":"` + id + `","data":{"code":503,"message":"no"}}`
	}
	return reply
}

// A gateway of real processes ends, and its clients come back elsewhere.
func TestDrain(t *testing.T) {
	html := filepath.Join(t.TempDir(), "report.html")
	set := parse(t, "-scenario=chat", "-start=gateways=2,routers=1,presences=1,redis", "-connections=60", "-duration=500ms", "-messages=40", "-drain",
		"-env=DRAIN_PERIOD=1s,SHUTDOWN_TIMEOUT=10s", "-html="+html)
	var out strings.Builder
	if err := runWith(t.Context(), set, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", out.String())
	if !strings.Contains(out.String(), "gateway-2 held 30: 30 told when to come back") || !strings.Contains(out.String(), "30 closed 1012, 0 otherwise") ||
		!strings.Contains(out.String(), "30 with their session") {
		t.Error("the report does not tell that all 30 came back")
	}
	checkHTML(t, html, "gateway-2", "redis-1", "nats-1", "router-1", "presence-1", "id=\"drain\"")
}

// checkHTML: the page is well formed, needs nothing else, and has every plot.
func checkHTML(t *testing.T, file string, want ...string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(string(b)))
	elements := make(map[string]int)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
			for _, a := range e.Attr {
				if slices.Contains([]string{"src", "href"}, a.Name.Local) || strings.Contains(a.Value, "NaN") {
					t.Errorf("%s has %s=%q", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
	if elements["svg"] != 9 || elements["polyline"] < 9+3+5+5 || elements["script"] != 0 {
		t.Errorf("elements %v", elements)
	}
	for _, text := range append(want, "Connections", "Latency of deliveries over time", "Distribution of the latency", "CPU of the servers", "Memory of the servers by connections", "p99.9") {
		if !strings.Contains(string(b), text) {
			t.Errorf("the page has no %q", text)
		}
	}
}

// Ctrl-C ends the run early, with the report of what was.
func TestInterrupt(t *testing.T) {
	h := new(hub.Hub)
	s := httptest.NewServer(h.Handler())
	defer s.Close()
	defer h.Close()
	set := parse(t, "-scenario=fanout", "-connections=10", "-messages=100", "-duration=1h", "-secret="+testSecret, "-url="+strings.Replace(s.URL, "http:", "ws:", 1)+"/ws")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // else it would not end when nothing comes
	defer cancel()
	log := writerFunc(func(b []byte) (int, error) {
		if strings.Contains(string(b), " dlv/s") && !strings.Contains(string(b), " 0 dlv/s") {
			cancel()
		}
		return len(b), nil
	})
	rep, err := measure(ctx, set, log)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Interrupted || rep.Sent == 0 || rep.Seconds > 60 || rep.Lost != 0 || len(rep.Failures) != 0 {
		t.Errorf("%+v", rep)
	}
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestThresholds(t *testing.T) {
	for _, tt := range []struct {
		args []string
		rep  report
		want string
	}{
		{nil, report{wrongs: wrongs{Lost: 1}}, "1 messages lost"},
		{[]string{"-max-lost=1"}, report{wrongs: wrongs{Lost: 1}}, ""},
		{[]string{"-max-lost=1"}, report{wrongs: wrongs{Lost: 1, Doubled: 1}}, "1 repeated"},
		{[]string{"-max-lost=-1"}, report{wrongs: wrongs{Lost: 9}}, ""},
		{[]string{"-max-p99=50ms"}, report{P99: 50}, ""},
		{[]string{"-max-p99=50ms"}, report{P99: 50.1}, "longer than 50ms"},
		{nil, report{Errors: 3}, ""},
		{[]string{"-max-errors=2"}, report{Errors: 3}, "3 Errors"},
		{nil, report{Asked: 2, Connections: 1}, "1 of 2 connections"},
		{nil, report{Asked: 2, Connections: 1, Interrupted: true}, ""},
		{nil, report{Drain: &drainReport{Held: 2, Back: 1}}, "1 of 2 clients"},
	} {
		set := parse(t, append([]string{"-start=all"}, tt.args...)...)
		tt.rep.judge(&set)
		if got := strings.Join(tt.rep.Failures, "; "); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%v, %+v: %q", tt.args, tt.rep, got)
		}
	}
}

func TestBadFlags(t *testing.T) {
	t.Setenv("JWT_SECRET", "")
	for _, tt := range []struct{ args, want string }{
		{"", "either -url or -start"},
		{"-start=all -url=ws://x/ws", "either -url or -start"},
		{"-url=ws://x/ws", "needs -secret"},
		{"-start=all -scenario=quiz", `-scenario "quiz": there is no such one`},
		{"-start=nonsense=2", `"nonsense=2" is none of all, gateways, nats, presences, routers`},
		{"-start=gateways=2", "need each other"},
		{"-start=all -drain", "-drain needs two gateways"},
		{"-url=ws://x/ws -secret=s -drain", "-drain needs -start"},
		{"-start=all -connections=0", "a number is too small"},
		{"-start=all -connections=2 -processes=3", "-processes is more than"},
		{"-start=all -mix=chat=x", `"chat=x" is no weight`},
		{"-start=all -mix=tea=1", `"tea" is none of chat`},
		{"-start=all -mix=chat=0", "no weight is more than 0"},
		{"-start=all -scenario=presence -group=101", "-group is more than the 100"},
		{"-start=all -pids=1", "-pids needs -url"},
		{"-url=ws://x/ws -secret=s -pids=a=b", `"a=b" is no process`},
		{"-url=ws://x/ws -secret=s -logs=x", "need -start"},
		{"-start=all extra", `unknown argument "extra"`},
		{"-start=all -scenario=hot -topics=2000", "-topics times -publishers"},
	} {
		_, err := parseSettings(strings.Fields(tt.args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", tt.args, err)
		}
	}
	for _, url := range []string{"wss://localhost/ws", "localhost:8081", "ws://localhost:nonsense/ws", "ws://no.such.host.invalid/ws"} {
		if _, _, err := resolve(t.Context(), []string{url}); err == nil || !strings.Contains(err.Error(), "-url") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
