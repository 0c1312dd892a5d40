package main

import (
	"slices"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
)

// TestBrokenServersAreNoticed builds the server with the tag broken, with which it breaks one promise on purpose,
// and sees that the torture fails for that reason.
func TestBrokenServersAreNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	for _, m := range []struct {
		name string // of REALTIME_BREAK
		only string // actions that bring it to light
		want []history.Kind
	}{
		{"fence", "links of a router to NATS held up until", []history.Kind{history.Forked, history.Repeated, history.Forgotten}},
		{"early", "kill -9 of a router,kill -9 of the NATS server,kill -9 of a NATS server", []history.Kind{history.Phantom, history.Forked, history.Forgotten}},
		{"gap", "kill -9 of a router,links of a process to NATS reset", []history.Kind{history.Gap, history.Lost}},
		{"dedupe", "kill -9 of a gateway", []history.Kind{history.Repeated}},
	} {
		t.Run(m.name, func(t *testing.T) {
			set := brief(t)
			set.first, set.messages, set.duration, set.patient = true, 0, 90*time.Second, 10*time.Second
			set.rate = 1500
			set.tags, set.only = "broken", m.only
			set.env = []string{"REALTIME_BREAK=" + m.name}
			rep := suffer(t, set)
			if !slices.ContainsFunc(m.want, func(k history.Kind) bool { return rep.verdict.Found[k] > 0 }) {
				t.Errorf("not noticed: found %v", rep.verdict.Found)
			}
		})
	}
}
