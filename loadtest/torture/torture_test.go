package main

import (
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// brief are the settings of a run of less than a minute.
func brief(t *testing.T) *settings {
	t.Helper()
	set, err := parseSettings([]string{
		"-messages=12000", "-rate=400", "-duration=45s", "-topics=8", "-rooms=2", "-writers=4", "-readers=8",
	}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return &set
}

// suffer runs the torture with real processes.
func suffer(t *testing.T, set *settings) *report {
	t.Helper()
	t.Logf("go run ./loadtest/torture -seed %d", set.seed)
	rep, err := onCluster(t.Context(), set, cluster.StartTest(t, spec(set)), t.Output())
	if rep != nil {
		var b strings.Builder
		_ = rep.print(&b)
		t.Log(b.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestNothingIsLostOrRepeated(t *testing.T) {
	rep := suffer(t, brief(t))
	for _, v := range rep.verdict.Violations {
		t.Error(v)
	}
	// A run in which nothing happens would pass.
	done := 0
	for _, f := range rep.chaos {
		done += f.n
	}
	if v := rep.verdict; v.Acked < 5000 || v.Deliveries < 2*v.Acked || v.Duplicates == 0 || done < 5 {
		t.Errorf("the run shows too little: %+v, %d actions", v.Counts, done)
	}
}

func TestSettings(t *testing.T) {
	for _, bad := range []string{"-payload=10", "-rate=0", "-topics=0", "-size=0", "-writers=2000", "more", "-duration=x"} {
		if _, err := parseSettings([]string{bad}, &strings.Builder{}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	set, err := parseSettings([]string{"-seed=5", "-duration=1s"}, t.Output())
	if err != nil || set.seed != 5 || set.duration != time.Second || set.name(0) != "t.topic.0" || set.name(set.topics) != "t.room.0" {
		t.Errorf("%+v, %v", set, err)
	}
}
