//go:build linux

// Command powercut shows what survives a power loss. It runs the real processes on disks of its own, of which it knows
// what was synced; writes; at some moment under load kills the processes and forgets what was not synced; starts them again on
// what is left, and asks for everything that was acknowledged before. It exits with 1 if what must survive did not, or if nothing is
// missing where nothing was synced: then it would notice nothing.
//
// What is random comes from a seed, which it prints; what is a matter of time does not. It speaks the client protocol
// only. The disks need root and /dev/fuse.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "powercut:", err)
		os.Exit(1)
	case !ok:
		os.Exit(1)
	}
}

// execute plays the scenarios and prints a line of each to out, progress to log.
func execute(ctx context.Context, args []string, out, log io.Writer) (ok bool, err error) {
	set, err := parseSettings(args, log)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(log, "seed %d\n", set.seed)
	ok = true
	if set.cuts > 0 {
		printHead(out)
	}
	for i, s := range scenarios {
		if !set.plays(s.name) || set.cuts == 0 {
			continue
		}
		rep, err := s.play(ctx, &set, uint64(i), log)
		if err != nil {
			return false, fmt.Errorf("%s: %w", s.name, err)
		}
		rep.print(out)
		ok = ok && rep.ok()
	}
	if set.cost > 0 {
		return ok, costs(ctx, &set, out)
	}
	return ok, nil
}
