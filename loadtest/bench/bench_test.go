//go:build linux

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

// The test binary plays the bare program, and the realtime binary when STAND_IN
// is set.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == bareFlag {
		os.Exit(bareMain(os.Args[2:]))
	}
	if fault, ok := os.LookupEnv("STAND_IN"); ok {
		standIn(fault)
	}
	os.Exit(m.Run())
}

func standIn(fault string) {
	h := &hub.Hub{Mangle: func(c, n int) hub.Fate {
		switch {
		case c != 17 || n != 12:
			return hub.Pass
		case fault == "double":
			return hub.Double
		case fault == "lose":
			return hub.Drop
		}
		return hub.Pass
	}}
	if fault == "refuse" {
		h.Answer = func(_ int, id, _ string) string {
			return `{"type":"Error","id":"` + id + `","data":{"code":503}}`
		}
	}
	go func() { _ = http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), h.Handler()) }()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
	os.Exit(0)
}

func small(t *testing.T, fault string) settings {
	t.Helper()
	set, err := parseSettings([]string{"-sockets=100", "-rounds=3", "-messages=5", "-topics=10",
		"-rate=500", "-seconds=0.9", "-idle=200", "-binary=" + os.Args[0]}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	set.env = []string{"STAND_IN=" + fault}
	set.patience = 500 * time.Millisecond
	return set
}

func TestReportIsComplete(t *testing.T) {
	rep, err := measure(t.Context(), small(t, ""), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if rep.FanOut.Deliveries != 3*5*100 || rep.Topics.Deliveries != 3*150*10 {
		t.Errorf("deliveries %d and %d", rep.FanOut.Deliveries, rep.Topics.Deliveries)
	}
	for _, s := range []scenario{rep.FanOut, rep.Topics} {
		if s.Server.Min <= 0 || s.Server.Median < s.Server.Min || s.Server.Max < s.Server.Median ||
			s.Bare.Median <= 0 || s.Ratio <= 0 || s.FrameBytes < 128 {
			t.Errorf("scenario %+v", s)
		}
	}
	if rep.Idle.BytesPerConnection <= 0 || len(rep.Idle.Samples) != 3 {
		t.Errorf("idle %+v", rep.Idle)
	}
	var out strings.Builder
	if err := rep.print(&out); err != nil || !strings.Contains(out.String(), "bytes per connection") {
		t.Errorf("%v\n%s", err, out.String())
	}
	t.Logf("\n%s", out.String())
	if b, err := json.Marshal(rep); err != nil || !strings.Contains(string(b), `"bare_us_per_send":{"median":`) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestABrokenServerHasNoFigures(t *testing.T) {
	for fault, want := range map[string]string{
		"double": "message 12 arrived where 13 was due",
		"lose":   "message 12: not complete after 500ms: 99 of 100 deliveries, 1 of 1 Ack",
		"refuse": `"code":503`,
	} {
		set := small(t, fault)
		set.idle = 0
		if _, err := measure(t.Context(), set, t.Output()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", fault, err)
		}
	}
}

func TestCPUTimeFollowsTheClock(t *testing.T) {
	pid := os.Getpid()
	before, err := cpuTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
	}
	after, err := cpuTime(pid)
	if d := after - before; err != nil || d < 10*time.Millisecond || d > time.Second {
		t.Errorf("50 ms of work count as %v, %v", d, err)
	}
	if rss, err := residentBytes(pid); err != nil || rss < 1<<20 {
		t.Errorf("resident %d, %v", rss, err)
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-sockets=0"}, {"-topics=6000"}, {"-payload=3"}, {"extra"}, {"-nonsense"},
	} {
		if _, err := parseSettings(args, io.Discard); err == nil {
			t.Errorf("%q passed", args)
		}
	}
}

func TestPayloadSize(t *testing.T) {
	for _, n := range []int{32, 128, 1000} {
		if p := payload(slotGroup, 1_000_000, n); len(p) != max(n, len(`{"slot":1,"seq":1000000,"pad":""}`)) || !json.Valid([]byte(p)) {
			t.Errorf("%d bytes wanted: %q", n, p)
		}
	}
}
