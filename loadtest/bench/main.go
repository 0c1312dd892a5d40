//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/realtime-cluster/realtime/loadtest/usage"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareFlag {
		os.Exit(bareMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == crowdFlag {
		os.Exit(crowdMain())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and prints the report to out, progress to log.
func run(ctx context.Context, args []string, out, log io.Writer) error {
	set, err := parseSettings(args, log)
	if err != nil {
		return err
	}
	if _, err := usage.RaiseDescriptors(); err != nil {
		return err
	}
	rep, err := measure(ctx, set, log)
	if err != nil {
		return err
	}
	if set.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(rep)
	}
	return rep.print(out)
}
