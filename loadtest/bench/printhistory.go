//go:build linux

package main

import (
	"fmt"
	"io"
)

func printHistory(w io.Writer, list []historyReport) {
	for _, h := range list {
		fmt.Fprintf(w, "\n%s\tmessages\tAcks/s: median (min–max)\tAck p50 ms\tp99 ms\tCPU µs/message: median (min–max)\tratio\tmessages/entry\n", h.Name)
		for _, s := range h.Shapes {
			topics := fmt.Sprintf("%d topics", s.Topics)
			if s.Topics == 1 {
				topics = "one topic"
			}
			for _, way := range []struct {
				name string
				both *storedAndLive
			}{
				{fmt.Sprintf("%s, %d under way", topics, historyPublishers*historyWindow), &s.Full},
				{topics + ", steadily", &s.Steady},
			} {
				stored, live := &way.both.Stored, &way.both.Live
				fmt.Fprintf(w, "%s, history\t%s\t%.2f\t%.1f\n", way.name, stored.columns(), way.both.Ratio, stored.PerEntry)
				fmt.Fprintf(w, "%s, none\t%s\n", way.name, live.columns())
				fmt.Fprintf(w, "  a message with history: %s\n  without: %s\n", roleFigures(stored.Roles, "µs"), roleFigures(live.Roles, "µs"))
			}
		}
	}
}

func (p *publishing) columns() string {
	return fmt.Sprintf("%d\t%.0f (%.0f–%.0f)\t%.2f\t%.2f\t%s", p.Messages, p.Rate.Median, p.Rate.Min, p.Rate.Max, p.Ack.P50, p.Ack.P99, p.CPU)
}

func printRecovery(w io.Writer, r *recoveryReport) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "\n%d clients come back at once to %d gateways, each missed %d messages\tall have all after\ta client p50 ms\tp99 ms\tCPU µs/client\tmore for each delivery\n",
		r.Clients, r.Gateways, r.Missed)
	fmt.Fprintf(w, "missed nothing\t%.1f s\t\t\t%.0f\t\n", r.Connect.Seconds, r.Connect.CPU)
	for _, b := range r.Ways {
		fmt.Fprintf(w, "%s\t%.1f s\t%.0f\t%.0f\t%.0f\t%.2f µs\n", b.Name, b.Seconds, b.Client.P50, b.Client.P99, b.CPU, b.PerDelivery)
	}
	fmt.Fprintf(w, "a client that missed nothing: %s\n", roleFigures(r.Connect.Roles, "µs"))
	for _, b := range r.Ways {
		fmt.Fprintf(w, "%s: %d clients have all %d in order, %d sessions resumed; %s\n", b.Name, b.Client.N, r.Missed, b.Resumed, roleFigures(b.Roles, "µs"))
		fmt.Fprintf(w, "  reads of JetStream: %d ends of histories, %d pages; pages: %d from the owner's memory, %d asked for by gateways, %d sent to clients\n",
			b.Loads, b.StoreReads, b.MemoryReads, b.Fetches, b.Pages)
	}
}

func printSession(w io.Writer, r *sessionReport) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "\n%d connections, subscribed to a topic with history\twith sessions\twithout\tratio\n", r.Clients)
	for _, s := range []struct {
		name      string
		with, not *stepCost
	}{
		{"CPU µs of a connection's beginning", &r.With.Connect, &r.Without.Connect},
		{"CPU µs of its end", &r.With.Disconnect, &r.Without.Disconnect},
		{"CPU µs a second, with one message a second", &r.With.Second, &r.Without.Second},
	} {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.2f\n", s.name, s.with.CPU, s.not.CPU, s.with.CPU.Median/s.not.CPU.Median)
		fmt.Fprintf(w, "  with: %s\n  without: %s\n", roleFigures(s.with.Roles, "µs"), roleFigures(s.not.Roles, "µs"))
	}
	fmt.Fprintf(w, "resident bytes of the gateway\t%.0f\t%.0f\t\n", r.With.GatewayBytes, r.Without.GatewayBytes)
	fmt.Fprintf(w, "bytes in Redis\t%.0f\t%.0f\t\n", r.With.RedisBytes, r.Without.RedisBytes)
}
