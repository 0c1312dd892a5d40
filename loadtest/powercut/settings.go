//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// settings of a run; see the flags.
type settings struct {
	seed uint64
	only string
	cuts int
	load time.Duration
	rate int
	cost time.Duration
	dir  string
	logs string
}

func parseSettings(args []string, log io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("powercut", flag.ContinueOnError)
	f.SetOutput(log)
	f.Uint64Var(&s.seed, "seed", rand.Uint64N(1_000_000), "of what is random")
	f.StringVar(&s.only, "only", "", "play scenarios of which the name holds this")
	f.IntVar(&s.cuts, "cuts", 8, "power losses of a scenario in which nothing may be lost; others have one; 0: measure the cost only")
	f.DurationVar(&s.load, "load", 3*time.Second, "writing before a power loss, at most; a third of it at least")
	f.IntVar(&s.rate, "rate", 1000, "messages a second, of all writers together")
	f.DurationVar(&s.cost, "cost", 5*time.Second, "for how long to measure what syncing costs, for each kind of system, on the plain disk; 0: not at all")
	f.StringVar(&s.dir, "dir", "", "an existing directory for the data; by default one for temporary files")
	f.StringVar(&s.logs, "logs", "", "an existing directory for the logs of the processes; by default they are not kept")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	switch {
	case f.NArg() > 0:
		return s, fmt.Errorf("unknown argument %q", f.Arg(0))
	case s.cuts < 0 || s.rate < 1 || s.load <= 0 || s.cost < 0:
		return s, fmt.Errorf("-rate and -load must be positive, -cuts and -cost not negative")
	}
	return s, nil
}

func (s *settings) plays(name string) bool { return strings.Contains(name, s.only) }
