// Command torture earns the claim that a topic or room with history loses, repeats and reorders nothing: it runs
// every process of the system, writes and reads, kills, stops and cuts off one process after another meanwhile, and
// at the end compares what every client saw. It exits with 1 if a promise was broken. What is random comes
// from a seed, which it prints; what is a matter of time does not.
//
// It speaks the client protocol only. Package checker/history says what is promised.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	case !ok:
		os.Exit(1)
	}
}

// execute runs the torture and prints the report to out, progress to log.
func execute(ctx context.Context, args []string, out, log io.Writer) (ok bool, err error) {
	set, err := parseSettings(args, log)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(log, "seed %d\n", set.seed)
	c, err := cluster.Start(ctx, spec(&set))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	rep, err := onCluster(ctx, &set, c, log)
	if rep == nil {
		return false, err
	}
	return rep.ok(), errors.Join(err, rep.print(out))
}

// rules are the settings file, but for the size.
const rules = `history:
  - name: torture
    topics: ["t.>"]
    rooms: ["t.>"]
    size: %d
    age: 1h
`

func spec(set *settings) cluster.Spec {
	return cluster.Spec{
		NATS: 3, Redis: true, Gateways: set.gateways, Routers: set.routers, Presences: set.presences,
		Links: true, Settings: fmt.Sprintf(rules, set.size), Binary: set.binary, Tags: set.tags, LogDir: set.logs, ReadyTimeout: time.Minute,
		Env: append([]string{"RATE_LIMIT_ENABLED=false"}, set.env...),
	}
}

// onCluster is torture of real processes.
func onCluster(ctx context.Context, set *settings, c *cluster.Cluster, log io.Writer) (*report, error) {
	var ch func(*recorder) chaos
	if !set.calm {
		ch = func(rec *recorder) chaos { return newStorm(c, set, rec, log) }
	}
	return torture(ctx, set, &system{gateways: c.WS(), token: c.Token}, ch, log)
}
