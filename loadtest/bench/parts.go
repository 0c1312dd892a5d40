//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// part is one thing that is measured, with servers of its own.
type part struct {
	name    string
	measure func(context.Context, settings, *report, io.Writer) error
}

// parts lists all of them, in the order in which they run.
func parts() []part {
	return []part{
		{"deliveries", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Deliveries, err = measureDeliveries(ctx, set, log)
			return err
		}},
		{"hot", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Hot, err = measureHot(ctx, set, log)
			return err
		}},
		{"idle", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Idle, err = measureIdle(ctx, set, log)
			return err
		}},
		{"presence", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Presence, err = measurePresence(ctx, set, log)
			return err
		}},
		{"ghosts", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Ghosts, err = measureGhosts(ctx, set, log)
			return err
		}},
		{"direct", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Direct, err = measureDirect(ctx, set, log)
			return err
		}},
		{"room", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Room, err = measureRoom(ctx, set, log)
			return err
		}},
		{"history", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.History, err = measureHistory(ctx, set, log)
			return err
		}},
		{"recovery", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Recovery, err = measureRecovery(ctx, set, log)
			return err
		}},
		{"session", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Session, err = measureSession(ctx, set, log)
			return err
		}},
		{"flood", func(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
			rep.Flood, err = measureFlood(ctx, set, log)
			return err
		}},
	}
}

// partNames lists the names of all parts, for people.
func partNames() string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return strings.Join(names, ",")
}

// selectParts checks a list of names; empty stands for all.
func selectParts(list string) ([]string, error) {
	if list == "" {
		list = partNames()
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.ContainsFunc(parts(), func(p part) bool { return p.name == name }) {
			return nil, fmt.Errorf("-only: no part %q; there are %s", name, partNames())
		}
	}
	return names, nil
}

// measure runs the parts that were asked for.
func measure(ctx context.Context, set settings, log io.Writer) (*report, error) {
	rep := newReport(set)
	for _, p := range parts() {
		if !slices.Contains(set.only, p.name) {
			continue
		}
		if err := p.measure(ctx, set, rep, log); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return rep, nil
}
