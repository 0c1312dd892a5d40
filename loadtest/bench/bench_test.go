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

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

// The test binary plays the bare program and a crowd, and the realtime binary when STAND_IN
// is set.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == crowdFlag {
		os.Exit(crowdMain())
	}
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
		"-rate=500", "-seconds=0.9", "-idle=200", "-only=deliveries,idle", "-binary=" + os.Args[0]}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	set.env = []string{"STAND_IN=" + fault}
	set.patience, set.brisk, set.alone = 500*time.Millisecond, true, true
	return set
}

func TestReportIsComplete(t *testing.T) {
	rep, err := measure(t.Context(), small(t, ""), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Deliveries) != 2 {
		t.Fatalf("deliveries %+v", rep.Deliveries)
	}
	for i, s := range rep.Deliveries {
		if want := []int{3 * 5 * 100, 3 * 150 * 10}[i%2]; s.Deliveries != want {
			t.Errorf("%d deliveries, want %d", s.Deliveries, want)
		}
		if s.Server.Min <= 0 || s.Server.Median < s.Server.Min || s.Server.Max < s.Server.Median ||
			s.Bare.Median <= 0 || s.Ratio <= 0 || s.FrameBytes < 128 {
			t.Errorf("scenario %+v", *s)
		}
	}
	if len(rep.Idle) != 4 || rep.Idle[0].BytesFromNone <= 0 || rep.Idle[3].Connect.Min <= 0 || len(rep.Idle[3].BytesRoles) != 5 {
		t.Errorf("idle %+v", rep.Idle)
	}
	var out strings.Builder
	if err := rep.print(&out); err != nil || !strings.Contains(out.String(), "bytes/connection") {
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
		set.only = []string{"deliveries"}
		if _, err := measure(t.Context(), set, t.Output()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", fault, err)
		}
	}
}

// The real servers, in small: what is measured must come about.
func TestPeopleAndRooms(t *testing.T) {
	set, err := parseSettings([]string{"-only=deliveries,hot,presence,ghosts,direct,room", "-sockets=100", "-rounds=3", "-messages=5", "-topics=10", "-rate=500", "-seconds=0.9", "-hot-sockets=50", "-hot-rate=200", "-hot-seconds=0.9", "-watchers=20", "-changes=60", "-change-rate=100",
		"-ghosts=150", "-kills=1", "-pairs=10", "-direct-rate=200", "-direct-seconds=2", "-members=300"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := measure(t.Context(), set, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Deliveries) != 4 || rep.Deliveries[3].Deliveries != 3*150*10 || rep.Deliveries[3].Ratio <= 0 {
		t.Errorf("deliveries %+v", rep.Deliveries)
	}
	if len(rep.Hot) != 4 {
		t.Errorf("hot %+v", rep.Hot)
	}
	for i, h := range rep.Hot {
		if want := []int{200, 600}[i%2]; h.Rate != want || h.Latency.N != want*3/10*3*50 || h.Latency.P50 <= 0 || h.CPU.Min <= 0 || h.Ratio <= 0 {
			t.Errorf("hot %+v", h)
		}
	}
	if p := rep.Presence; p.Set.N == 0 || p.Connect.N == 0 || p.Disconnect.N == 0 || p.CPU[cluster.Gateway] <= 0 {
		t.Errorf("presence %+v", p)
	}
	if g := rep.Ghosts.Shown; g.N != 150 || g.P50 < 100 {
		t.Errorf("ghosts %+v", g)
	}
	for _, d := range rep.Direct {
		if d.Messages != 150 || d.Direct.Latency.N != 150 || d.Broadcast.Latency.N != 150 || d.Ratio <= 0 {
			t.Errorf("direct %+v", d)
		}
	}
	if r := rep.Room; len(rep.Direct) != 2 || r.Room.Latency.N != 12*299 || r.Topic.Latency.N != 12*299 || r.EventsPerMember < 1 || r.JoinCPU <= 0 {
		t.Errorf("room %+v", r)
	}
	var out strings.Builder
	if err := rep.print(&out); err != nil {
		t.Error(err)
	}
	t.Logf("\n%s", out.String())
}

// Likewise: every client that comes back must have everything that it missed.
func TestHistoriesAndSessions(t *testing.T) {
	set, err := parseSettings([]string{"-only=history,recovery,session", "-history-topics=30", "-history-rate=200", "-history-seconds=0.05",
		"-clients=120", "-missed=20", "-resumable=50"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	set.brisk = true
	rep, err := measure(t.Context(), set, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.History) != 2 {
		t.Fatalf("history %+v", rep.History)
	}
	for _, h := range rep.History {
		for _, s := range h.Shapes {
			for _, b := range []storedAndLive{s.Full, s.Steady} {
				if b.Stored.Messages < 30 || b.Stored.Ack.N != b.Stored.Messages || b.Stored.PerEntry < 1 || b.Live.PerEntry != 0 || b.Ratio <= 0 {
					t.Errorf("history %s, %d topics: %+v", h.Name, s.Topics, b)
				}
			}
		}
	}
	for _, w := range rep.Recovery.Ways {
		if w.Client.N != 120 || w.Deliveries != 120*20 || w.Pages < 1 || w.CPU <= 0 {
			t.Errorf("recovery %+v", w)
		}
	}
	if n := rep.Recovery.Ways[0].Resumed; n != 120 {
		t.Errorf("%d sessions resumed", n)
	}
	if s := rep.Session; s.With.Connect.CPU.Median <= 0 || s.With.Second.CPU.Median <= 0 || s.Without.Disconnect.CPU.Median <= 0 {
		t.Errorf("session %+v", s)
	}
	var out strings.Builder
	if err := rep.print(&out); err != nil {
		t.Error(err)
	}
	t.Logf("\n%s", out.String())
}

// Who floods is thrown out, who stays below that is not; those who talk miss nothing.
func TestFlood(t *testing.T) {
	set, err := parseSettings([]string{"-only=flood", "-talkers=20", "-talk-rate=100", "-flood-rate=20000", "-flood-seconds=1"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := measure(t.Context(), set, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range rep.Flood.Floods {
		thrown := f.Flood.Closes["1008"]
		if f.Before.Latency.N != 100*listeners || f.During.Latency.N != 100*listeners || f.Flood.CPU <= 0 || f.During.CPU <= 0 {
			t.Errorf("%+v", f)
		}
		if borne := i == 1; borne == (thrown > 0) || !borne && (f.Refused < 1000 || f.Flood.Frames < 10_000) {
			t.Errorf("%s: %+v, %d refused", f.Name, f.Flood, f.Refused)
		}
	}
	var out strings.Builder
	if err := rep.print(&out); err != nil || !strings.Contains(out.String(), "1008") {
		t.Errorf("%v\n%s", err, out.String())
	}
	t.Logf("\n%s", out.String())
}

func TestQuantilesAreOnePercentTooLongAtMost(t *testing.T) {
	var h, first, second histogram
	for i := range 1000 {
		d := time.Duration(i+1) * time.Millisecond
		h.add(d)
		if i%3 == 0 {
			first.add(d)
		} else {
			second.add(d)
		}
	}
	second.merge(&first)
	for q, want := range map[float64]float64{0.001: 1, 0.5: 500, 0.99: 990, 1: 1000} {
		for _, got := range []float64{millis(h.quantile(q)), millis(second.quantile(q))} {
			if got < want || got > 1.01*want {
				t.Errorf("quantile %v is %v ms, want %v", q, got, want)
			}
		}
	}
	if s := second.spread(); s.N != 1000 || s.Max != 1000 || (&histogram{}).quantile(0.5) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-sockets=0"}, {"-topics=6000"}, {"-payload=3"}, {"-only=rooms"}, {"-members=1"}, {"-missed=0"}, {"-talkers=4"}, {"extra"}, {"-nonsense"},
	} {
		if _, err := parseSettings(args, io.Discard); err == nil {
			t.Errorf("%q passed", args)
		}
	}
}

func TestStampsAreReadBack(t *testing.T) {
	at := time.Now()
	text := broadcast("m", topicAll, stamped(slotOther, 1234, 128, at))
	slot, n, got, ok := stampOf(text)
	if !ok || slot != slotOther || n != 1234 || got.UnixNano() != at.UnixNano() || kindOf(text) != "Broadcast" {
		t.Errorf("%d, %d, %v, %v of %s", slot, n, got, ok, text)
	}
	if _, _, _, ok := stampOf(broadcast("m", topicAll, payload(slotOther, 1, 64))); ok {
		t.Error("a payload without a stamp passed")
	}
}

func TestPayloadSize(t *testing.T) {
	for _, n := range []int{32, 128, 1000} {
		if p := payload(slotGroup, 1_000_000, n); len(p) != max(n, len(`{"slot":1,"seq":1000000,"pad":""}`)) || !json.Valid([]byte(p)) {
			t.Errorf("%d bytes wanted: %q", n, p)
		}
	}
}
