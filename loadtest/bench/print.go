//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// print writes the tables of all parts that were measured.
func (rep *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s, Linux %s, %d CPUs, payload of %d bytes. CPU is that of all servers together.\n",
		rep.Go, rep.Kernel, rep.CPUs, rep.Payload)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	if len(rep.Deliveries) > 0 {
		fmt.Fprintln(w, "\nscenario\tdeliveries\tframe\tCPU µs/delivery: median (min–max)\tbare write() µs\tratio")
		for _, s := range rep.Deliveries {
			fmt.Fprintf(w, "%s: %s\t%d\t%d B\t%s\t%s\t%.2f\n", s.System, s.Name, s.Deliveries, s.FrameBytes, s.Server, s.Bare, s.Ratio)
		}
	}
	printHot(w, rep.Hot)
	printIdle(w, rep.Idle)
	if p := rep.Presence; p != nil {
		fmt.Fprintf(w, "\npresence, %d changes a second, seen by\twatchers\tp50 ms\tp99 ms\tmax ms\n", p.Rate)
		fmt.Fprintf(w, "SetPresence\t%s\n", p.Set.columns())
		fmt.Fprintf(w, "connect, handshake included\t%s\n", p.Connect.columns())
		fmt.Fprintf(w, "disconnect\t%s\n", p.Disconnect.columns())
		fmt.Fprintf(w, "CPU a change: %s\n", roleFigures(p.CPU, "µs"))
	}
	if g := rep.Ghosts; g != nil {
		fmt.Fprintf(w, "\nghosts, kill -9 of a gateway with %d users\tusers\tp50 ms\tp99 ms\tmax ms\n", g.Users)
		fmt.Fprintf(w, "shown offline, %d kills\t%s\n", g.Kills, g.Shown.columns())
	}
	for _, d := range rep.Direct {
		fmt.Fprintf(w, "\n%s, %d a second\tmessages\tp50 ms\tp99 ms\tmax ms\tCPU µs/message: median (min–max)\tratio\n", d.Name, d.Rate)
		fmt.Fprintf(w, "DirectMessage\t%s\t%s\t%.2f\n", d.Direct.Latency.columns(), d.Direct.CPU, d.Ratio)
		fmt.Fprintf(w, "Broadcast to one subscriber\t%s\t%s\n", d.Broadcast.Latency.columns(), d.Broadcast.CPU)
		fmt.Fprintf(w, "a DirectMessage: %s\na Broadcast: %s\n", roleFigures(d.Direct.Roles, "µs"), roleFigures(d.Broadcast.Roles, "µs"))
	}
	if r := rep.Room; r != nil {
		fmt.Fprintf(w, "\nroom of %d members: joined in %.1f s, %.1f events to each of them, %.0f bytes of the presence nodes per member\n",
			r.Members, r.JoinSeconds, r.EventsPerMember, r.PresenceBytes)
		fmt.Fprintf(w, "CPU a join: %.0f µs: %s\n", r.JoinCPU, roleFigures(r.JoinRoles, "µs"))
		fmt.Fprintln(w, "a message to all\tdeliveries\tp50 ms\tp99 ms\tmax ms\tCPU µs/delivery: median (min–max)\tratio")
		fmt.Fprintf(w, "RoomMessage\t%s\t%s\t%.2f\n", r.Room.Latency.columns(), r.Room.CPU, r.Ratio)
		fmt.Fprintf(w, "Broadcast\t%s\t%s\n", r.Topic.Latency.columns(), r.Topic.CPU)
	}
	printHistory(w, rep.History)
	printRecovery(w, rep.Recovery)
	printSession(w, rep.Session)
	printFlood(w, rep.Flood)
	return w.Flush()
}

func printHot(w io.Writer, list []hotReport) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\nhot: one topic, %d sockets\tmessages/s\tdeliveries\tp50 ms\tp99 ms\tmax ms\tCPU µs/delivery: median (min–max)\tbare write() µs\tratio\n",
		list[0].Sockets)
	for _, r := range list {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%.2f\n", r.Name, r.Rate, r.Latency.columns(), r.CPU, r.Bare, r.Ratio)
	}
}

func printIdle(w io.Writer, list []idleReport) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "\nidle, each another user\tsubscribed to\tresident\tbytes/connection\tby role\tfrom none\tconnect, CPU µs: median (min–max)\tby role")
	for _, r := range list {
		fmt.Fprintf(w, "%d sockets, %s\t%s\t%s → %s\t%.0f\t%s\t%.0f\t%s\t%s\n", r.Sockets, r.Name, r.Topics,
			mega(r.Resident["before"]), mega(r.Resident["after"]), r.Bytes, roleFigures(r.BytesRoles, "B"), r.BytesFromNone, r.Connect, roleFigures(r.ConnectRoles, "µs"))
	}
}

// roleFigures lists a figure of each role.
func roleFigures(m map[cluster.Role]float64, unit string) string {
	var list []string
	for _, role := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%s %.0f %s", role, m[role], unit))
	}
	return strings.Join(list, ", ")
}

func mega(n int64) string {
	if n == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
