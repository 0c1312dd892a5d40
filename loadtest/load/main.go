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
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == workerFlag {
		os.Exit(workerMain())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second one ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run does what args say, and prints the summary to out, progress to log. An exceeded threshold is an error.
func run(ctx context.Context, args []string, out, log io.Writer) error {
	set, err := parseSettings(args, log)
	if err != nil {
		return err
	}
	return runWith(ctx, set, out, log)
}

func runWith(ctx context.Context, set settings, out, log io.Writer) error {
	rep, err := measure(ctx, set, log)
	if err != nil {
		return err
	}
	if err := rep.write(set, out); err != nil {
		return err
	}
	if len(rep.Failures) > 0 {
		return errors.New(strings.Join(rep.Failures, "; "))
	}
	return nil
}

// write writes the report in each form that is wanted.
func (r *report) write(set settings, out io.Writer) error {
	if err := r.print(out); err != nil {
		return err
	}
	if set.json != "" {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("encode the report: %w", err)
		}
		if err := os.WriteFile(set.json, append(b, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if set.html != "" {
		f, err := os.Create(set.html)
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		return errors.Join(r.writeHTML(f), f.Close())
	}
	return nil
}
