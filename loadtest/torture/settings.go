package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// settings of a run; see the flags.
type settings struct {
	seed     uint64
	duration time.Duration
	messages int
	rate     float64
	payload  int
	size     int

	topics  int
	rooms   int
	writers int
	readers int

	gateways, routers, presences int

	singly  bool
	calm    bool // no chaos
	first   bool // end at the first violation
	only    string
	logs    string
	verbose bool
	binary  string
	tags    string
	env     []string // more settings of the servers
	patient time.Duration

	// For tests: clients come and go so many times as fast, and none is slow.
	haste int
	brisk bool
}

// spell is a random duration in the life of a client.
func (s *settings) spell(rng *rand.Rand, from, to time.Duration) time.Duration {
	return between(rng, from, to) / time.Duration(max(s.haste, 1))
}

func parseSettings(args []string, log io.Writer) (settings, error) {
	s := settings{patient: time.Minute}
	f := flag.NewFlagSet("torture", flag.ContinueOnError)
	f.SetOutput(log)
	f.Uint64Var(&s.seed, "seed", 0, "of everything that is random; 0 takes one from the clock")
	f.DurationVar(&s.duration, "duration", 5*time.Minute, "of writing, at most")
	f.IntVar(&s.messages, "messages", 0, "end as soon as so many are acked; 0 for none")
	f.Float64Var(&s.rate, "rate", 1500, "messages a second, of all writers together, at most")
	f.IntVar(&s.payload, "payload", 128, "bytes of a payload, at least 64")
	f.IntVar(&s.size, "size", 100_000, "messages that each history keeps")
	f.IntVar(&s.topics, "topics", 16, "topics with history")
	f.IntVar(&s.rooms, "rooms", 4, "rooms with history")
	f.IntVar(&s.writers, "writers", 8, "connections that send, each to all topics; half of them to the rooms, too")
	f.IntVar(&s.readers, "readers", 12, "connections that read: of four, two subscribe by name, one by pattern, one is a member of the rooms")
	f.IntVar(&s.gateways, "gateways", 2, "gateway processes")
	f.IntVar(&s.routers, "routers", 3, "router processes")
	f.IntVar(&s.presences, "presences", 2, "presence processes")
	f.BoolVar(&s.singly, "singly", false, "no Subscribe is for more than one topic")
	f.BoolVar(&s.calm, "calm", false, "nothing is killed")
	f.BoolVar(&s.first, "first", false, "end at the first violation")
	f.StringVar(&s.only, "only", "", "actions to take, by the beginnings of their names, comma-separated; all when empty")
	f.StringVar(&s.logs, "logs", "", "existing directory for the logs of the processes; none are kept when empty")
	f.BoolVar(&s.verbose, "v", false, "tell what readers are told of their positions")
	f.StringVar(&s.binary, "binary", "", "realtime binary; built when empty")
	f.Func("env", "NAME=value, a setting of the servers; may be given again", func(v string) error {
		s.env = append(s.env, v)
		return nil
	})
	f.StringVar(&s.tags, "tags", "", "build tags of the binary")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if s.seed == 0 {
		s.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	switch {
	case f.NArg() > 0:
		return s, fmt.Errorf("unknown argument %q", f.Arg(0))
	case s.duration <= 0 || s.messages < 0 || s.rate <= 0 || s.topics < 1 || s.size < 1 || s.rooms < 0 || s.writers < 1 || s.readers < 1 ||
		s.gateways < 1 || s.routers < 1 || s.presences < 1:
		return s, errors.New("a number is too small")
	case s.payload < minPayload:
		return s, fmt.Errorf("-payload must be %d or more", minPayload)
	case s.writers > 1000 || s.topics+s.rooms > 10_000:
		return s, errors.New("-writers must be at most 1000, -topics and -rooms 10000 together")
	}
	return s, nil
}

// Keys are the topics, then the rooms.
func (s *settings) keys() int { return s.topics + s.rooms }

func (s *settings) room(key int) bool { return key >= s.topics }

// name is that of a topic or room.
func (s *settings) name(key int) string {
	if s.room(key) {
		return fmt.Sprintf("t.room.%d", key-s.topics)
	}
	return fmt.Sprintf("t.topic.%d", key)
}
