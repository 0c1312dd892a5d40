//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// settings of a run; see the flags.
type settings struct {
	only     []string // parts
	sockets  int
	payload  int
	rounds   int
	messages int
	groups   int
	rate     int
	seconds  float64
	idle     int

	watchers      int
	changes       int
	changeRate    int
	ghosts        int
	kills         int
	pairs         int
	directRate    int
	directSeconds float64
	members       int

	historyTopics  int
	historyRate    int
	historySeconds float64
	clients        int
	missed         int
	atOnce         int
	resumable      int

	hotSockets int
	hotRate    int
	hotSeconds float64

	talkers      int
	talkRate     int
	floodRate    int
	borneRate    int
	floodSeconds float64

	binary   string
	json     bool
	env      []string      // more settings of the server, for tests
	patience time.Duration // bounds the wait for the deliveries of one message
	alone    bool          // for tests: deliveries in one process only, as stand-ins do not know of each other
	brisk    bool          // for tests: fewer and shorter rounds
}

func parseSettings(args []string, log io.Writer) (settings, error) {
	s := settings{patience: 10 * time.Second}
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(log)
	f.StringVar(&only, "only", "", "parts to measure, comma-separated; all when empty: "+partNames())
	f.IntVar(&s.sockets, "sockets", 5000, "sockets of the delivery scenarios")
	f.IntVar(&s.payload, "payload", 128, "bytes of a message's payload, 32 or more")
	f.IntVar(&s.rounds, "rounds", 7, "rounds of the fan-out scenario, in turns with the bare program")
	f.IntVar(&s.messages, "messages", 10, "messages of one such round")
	f.IntVar(&s.groups, "topics", 500, "topics over which the second scenario spreads the sockets")
	f.IntVar(&s.rate, "rate", 1000, "messages a second over all those topics")
	f.Float64Var(&s.seconds, "seconds", 9, "length of the second scenario; it has three rounds")
	f.IntVar(&s.idle, "idle", 10000, "sockets of the idle scenario")
	f.IntVar(&s.watchers, "watchers", 200, "connections that watch users in the presence scenario")
	f.IntVar(&s.changes, "changes", 1500, "changes of these users' presence")
	f.IntVar(&s.changeRate, "change-rate", 150, "changes a second")
	f.IntVar(&s.ghosts, "ghosts", 300, "users of the gateway that is killed in the ghosts scenario")
	f.IntVar(&s.kills, "kills", 5, "times that it is killed")
	f.IntVar(&s.pairs, "pairs", 100, "senders, and as many receivers, of the direct scenario")
	f.IntVar(&s.directRate, "direct-rate", 1000, "direct messages a second, and, in turns, Broadcasts")
	f.Float64Var(&s.directSeconds, "direct-seconds", 12, "length of the direct scenario, in each of two clusters")
	f.IntVar(&s.members, "members", 20000, "members of the room scenario")
	f.IntVar(&s.historyTopics, "history-topics", 1000, "topics of the history scenario, beside the one")
	f.IntVar(&s.historyRate, "history-rate", 1000, "messages a second, after as many as there is room for")
	f.Float64Var(&s.historySeconds, "history-seconds", 0.8, "length of one round; there are 32 in each of two clusters")
	f.IntVar(&s.clients, "clients", 10000, "clients of the recovery scenario")
	f.IntVar(&s.atOnce, "at-once", 10000, "how many of them are coming back at any time, at most")
	f.IntVar(&s.missed, "missed", 100, "messages that each of them missed")
	f.IntVar(&s.resumable, "resumable", 5000, "connections of the session scenario, in each of two clusters")
	f.IntVar(&s.hotSockets, "hot-sockets", 500, "subscribers of the topic of the hot scenario")
	f.IntVar(&s.hotRate, "hot-rate", 1000, "messages a second to it; then three times as many")
	f.Float64Var(&s.hotSeconds, "hot-seconds", 9, "length of the hot scenario at each rate; it has three rounds")
	f.IntVar(&s.talkers, "talkers", 1000, "connections of the flood scenario that talk")
	f.IntVar(&s.talkRate, "talk-rate", 1000, "messages a second of all of them together")
	f.IntVar(&s.floodRate, "flood-rate", 50000, "frames a second of the one that floods")
	f.IntVar(&s.borneRate, "borne-rate", 195, "frames a second for which it is not thrown out: just below twice what it may")
	f.Float64Var(&s.floodSeconds, "flood-seconds", 6, "length of one round; there are seven")
	f.StringVar(&s.binary, "binary", "", "realtime binary; built when empty")
	f.BoolVar(&s.json, "json", false, "print JSON instead of a table")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	var err error
	if s.only, err = selectParts(only); err != nil {
		return s, err
	}
	switch {
	case f.NArg() > 0:
		return s, fmt.Errorf("unknown argument %q", f.Arg(0))
	case s.sockets < 1 || s.rounds < 1 || s.messages < 1 || s.rate < 1 || s.seconds <= 0 || s.idle < 5 ||
		s.watchers < 1 || s.changes < 1 || s.changeRate < 1 || s.ghosts < 1 || s.kills < 1 || s.pairs < 1 || s.directRate < 1 ||
		s.directSeconds <= 0 || s.members < 2 || s.historyTopics < 1 || s.historyRate < 1 || s.historySeconds <= 0 ||
		s.hotSockets < 1 || s.hotRate < 1 || s.hotSeconds <= 0 ||
		s.clients < 1 || s.missed < 1 || s.atOnce < 1 || s.resumable < 5 ||
		s.talkers <= listeners || s.talkRate < 1 || s.floodRate < 1 || s.borneRate < 1 || s.floodSeconds <= 0:
		return s, errors.New("a number is too small")
	case s.groups < 1 || s.groups > s.sockets:
		return s, errors.New("-topics must be between 1 and -sockets")
	case s.payload < 32:
		return s, errors.New("-payload must be 32 or more")
	}
	return s, nil
}

// groupRound is the length of one of the second scenario's three rounds.
func (s settings) groupRound() time.Duration {
	return time.Duration(s.seconds * float64(time.Second) / groupRounds)
}

const groupRounds = 3
