package main

import (
	"testing"
	"time"
)

// TestFailingPartsLoseNothing has the loops and lanes of all processes fail now and then, and single records: nothing that was acked
// is lost, comes twice, or out of order.
func TestFailingPartsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	set := brief(t)
	set.messages, set.duration, set.rate = 0, 30*time.Second, 500
	set.tags, set.only = "broken", "SIGTERM of a process"
	set.env = []string{"REALTIME_FAULT=gateway.turn=9s/17s,gateway.ready=6s/7s,lane.turn=13s/17s,lane.apply=5s/3s,history.appended=7s/11s"}
	rep := suffer(t, set)
	for kind, n := range rep.verdict.Found {
		if n > 0 {
			t.Errorf("%v: %d", kind, n)
		}
	}
}
