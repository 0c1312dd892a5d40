//go:build linux

package main

import (
	"fmt"
	"io"

	"github.com/realtime-cluster/realtime/loadtest/powercut/disk"
)

// report is what came of a scenario.
type report struct {
	scenario  scenario
	cuts      int
	forgotten disk.Forgotten
	syncs     int

	// Of all that was acknowledged, at the latest check.
	histories int // of which something was acknowledged
	acked     int
	lost      int
	moved     int // messages that are there, but elsewhere than acknowledged
	repeated  int
	gaps      int // messages whose offset is not the one behind that of the one before
	epochs    int // topics that have another epoch

	rooms     int
	lostRooms int
}

// clear prepares for another check.
func (r *report) clear() {
	r.acked, r.lost, r.moved, r.repeated, r.gaps, r.epochs, r.rooms, r.lostRooms = 0, 0, 0, 0, 0, 0, 0, 0
}

// ok reports whether all is as the scenario says.
func (r *report) ok() bool {
	switch {
	case r.histories != writers || r.rooms == 0:
		return false
	case r.scenario.want == mayLose:
		return true
	case r.scenario.want == loses:
		return r.lost > 0 && r.lostRooms > 0
	}
	return r.lost+r.moved+r.repeated+r.gaps+r.epochs+r.lostRooms == 0
}

func printHead(out io.Writer) {
	fmt.Fprintf(out, "%-41s %5s %8s %8s %6s %7s %9s %8s %7s %7s %8s\n", "", "cuts", "acked", "lost", "moved", "epochs",
		"repeated", "gaps", "rooms", "lost", "syncs")
}

func (r *report) print(out io.Writer) {
	verdict := map[outcome]string{keeps: "ok", loses: "ok: it must lose", mayLose: "it may lose"}[r.scenario.want]
	if !r.ok() {
		verdict = "WRONG"
	}
	fmt.Fprintf(out, "%-41s %5d %8d %8d %6d %7d %9d %8d %7d %7d %8d  %s\n", r.scenario.name, r.cuts, r.acked, r.lost, r.moved, r.epochs,
		r.repeated, r.gaps, r.rooms, r.lostRooms, r.syncs, verdict)
}
