package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onHub is torture of a stand-in, whose clients come and go in haste.
func onHub(t *testing.T, flaw hub.Flaw, messages int) *report {
	t.Helper()
	h := &hub.Hub{History: true, Flaw: flaw}
	sys := &system{token: func(user string) (string, error) { return user, nil }}
	for range 2 {
		s := httptest.NewServer(h.Handler())
		t.Cleanup(s.Close)
		sys.gateways = append(sys.gateways, "ws"+strings.TrimPrefix(s.URL, "http")+"/ws")
	}
	t.Cleanup(h.Close)
	set := &settings{
		seed: 7, duration: 20 * time.Second, messages: messages, rate: 2000, payload: minPayload, size: 1 << 20,
		topics: 4, rooms: 2, writers: 4, readers: 8, gateways: 2, routers: 1, presences: 1,
		patient: 2 * time.Second, haste: 20, brisk: true,
	}
	rep, err := torture(t.Context(), set, sys, nil, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	_ = rep.print(&b)
	t.Log(b.String())
	return rep
}

func TestARightSystemPasses(t *testing.T) {
	rep := onHub(t, "", 4000)
	if !rep.ok() {
		t.Error(rep.verdict.Violations)
	}
	v := rep.verdict
	if v.Acked < 4000 || v.Duplicates == 0 || v.Deliveries < 10_000 || v.Dropped < 100 || v.Kept != v.Acked || v.Messages != v.Acked {
		t.Errorf("the run shows too little: %+v", v.Counts)
	}
}

func TestAWrongSystemFails(t *testing.T) {
	for flaw, want := range map[hub.Flaw]history.Kind{
		hub.Fork:    history.Forked,
		hub.Early:   history.Forked,
		hub.Hole:    history.Lost,
		hub.Restore: history.Repeated,
		hub.Ahead:   history.Gap,
		hub.Excuse:  history.Needless,
		hub.Neglect: history.Forgotten,
	} {
		t.Run(string(flaw), func(t *testing.T) {
			t.Parallel()
			if rep := onHub(t, flaw, 8000); rep.verdict.Found[want] == 0 {
				t.Errorf("not noticed: found %v", rep.verdict.Found)
			}
		})
	}
}
