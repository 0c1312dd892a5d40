//go:build linux

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// settings of a run; see the flags.
type settings struct {
	args []string // as they were given, but for the secret

	scenario    string
	connections int
	processes   int
	rate        float64
	handshakes  int
	steps       int
	settle      time.Duration
	duration    time.Duration
	messages    float64
	size        int
	group       int
	topics      int
	publishers  int
	shared      bool
	sharedRate  float64
	history     bool
	own         int
	mix         map[string]float64
	patience    time.Duration
	reconnect   bool
	drain       bool

	urls   []string
	secret string
	start  *cluster.Spec
	env    []string
	binary string
	logs   string
	pids   []server

	json, html string
	maxLost    int
	maxErrors  int
	maxP99     time.Duration

	tick time.Duration // of workers and of progress; not a flag
}

// scenario is the default numbers of one.
type scenario struct {
	name, about string
	messages    float64
	duration    time.Duration
	steps       int
	settle      time.Duration
}

var scenarios = []scenario{
	{"idle", "connect, subscribe to a shared topic, and hold: memory of each connection", 0, 10 * time.Second, 5, 20 * time.Second},
	{"storm", "connect as fast as admitted: handshakes, and CPU of each", 0, time.Second, 1, 0},
	{"fanout", "-publishers send to all connections by one topic", 10, 10 * time.Second, 1, 0},
	{"hot", "-publishers send to each of -topics, to which all connections are dealt out", 100, 10 * time.Second, 1, 0},
	{"chat", "topics of -group connections each, of which all send", 200, 10 * time.Second, 1, 0},
	{"rooms", "the same with rooms", 200, 10 * time.Second, 1, 0},
	{"direct", "each user writes to another", 200, 10 * time.Second, 1, 0},
	{"presence", "groups of -group users who watch each other, and each now and then says something of itself", 50, 10 * time.Second, 1, 0},
	{"mixed", "chat, rooms, direct and presence at once, by the weights of -mix", 400, 10 * time.Second, 1, 0},
}

func parseSettings(args []string, out io.Writer) (settings, error) {
	s := settings{tick: time.Second}
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&s.scenario, "scenario", "chat", "what the connections do:\n"+aboutScenarios())
	f.IntVar(&s.connections, "connections", 1000, "connections, each of another user")
	f.IntVar(&s.processes, "processes", 0, "worker processes; 0: one for every 15,000 connections, but at least two where there are as many")
	f.Float64Var(&s.rate, "rate", 0, "new connections a second; 0: as fast as they are admitted")
	f.IntVar(&s.handshakes, "handshakes", 128, "connections that are on their way at once, at most")
	f.IntVar(&s.steps, "steps", 0, "parts in which the connections come, with a look at the servers' memory after each; 0: the scenario's")
	f.DurationVar(&s.settle, "settle", -1, "longest wait for memory to stand still before it is read; by default the scenario's")
	f.DurationVar(&s.duration, "duration", 0, "how long to send, or to hold the connections; 0: the scenario's")
	f.Float64Var(&s.messages, "messages", -1, "messages a second, of all connections together; by default the scenario's")
	f.IntVar(&s.size, "size", 128, "bytes of a payload, about")
	f.IntVar(&s.group, "group", 10, "chat, rooms, direct, presence: connections in a group")
	f.IntVar(&s.topics, "topics", 4, "hot: topics")
	f.IntVar(&s.publishers, "publishers", 1, "fanout, hot: senders to each topic")
	f.BoolVar(&s.shared, "shared", false, "subscribe all to one topic besides")
	f.Float64Var(&s.sharedRate, "shared-messages", 0, "messages a second to that topic, besides -messages")
	f.BoolVar(&s.history, "history", false, "the topics have a history: with -reconnect, what was said while a connection was away has to come when it is back")
	f.IntVar(&s.own, "own", 0, "further topics to which each connection alone subscribes, and nobody sends")
	mix := f.String("mix", "chat=60,rooms=20,direct=15,presence=5", "mixed: parts of -messages")
	f.DurationVar(&s.patience, "patience", 10*time.Second, "how long to wait at the end for what has not come")
	f.BoolVar(&s.reconnect, "reconnect", false, "connections that are closed come back, when they were told to")
	f.BoolVar(&s.drain, "drain", false, "at last end one gateway by SIGTERM, and see its clients come back elsewhere; needs -start")
	urls := f.String("url", "", "ws:// URLs of gateways, comma-separated")
	f.StringVar(&s.secret, "secret", "", "secret that signs the users' tokens; JWT_SECRET when empty")
	start := f.String("start", "", "start servers on this machine: all, or for example gateways=2,routers=1,presences=1,redis (also nats=3)")
	env := f.String("env", "", "settings of the servers that -start starts: NAME=value,...")
	f.StringVar(&s.binary, "binary", "", "realtime binary for -start; built when empty")
	f.StringVar(&s.logs, "logs", "", "directory for the logs of the servers that -start starts")
	pids := f.String("pids", "", "processes whose CPU and memory is reported: pid,... or name=pid,...; with -start, those that it starts")
	f.StringVar(&s.json, "json", "", "write the report as JSON to this file")
	f.StringVar(&s.html, "html", "", "write the report with plots to this file")
	f.IntVar(&s.maxLost, "max-lost", 0, "fail when more messages are lost, repeated, disordered or misdelivered; -1: never")
	f.IntVar(&s.maxErrors, "max-errors", -1, "fail when there are more Errors; -1: never")
	f.DurationVar(&s.maxP99, "max-p99", 0, "fail when the p99 of deliveries is longer; 0: never")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	f.Visit(func(g *flag.Flag) {
		value := g.Value.String()
		if g.Name == "secret" {
			value = "***"
		}
		s.args = append(s.args, "-"+g.Name+"="+value)
	})
	if f.NArg() > 0 {
		return s, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	if err := s.parse(*mix, *urls, *start, *env, *pids); err != nil {
		return s, err
	}
	return s, s.check()
}

func aboutScenarios() string {
	var b strings.Builder
	for _, sc := range scenarios {
		fmt.Fprintf(&b, "%-9s %s\n", sc.name, sc.about)
	}
	return b.String()
}

// parse reads what is more than one number.
func (s *settings) parse(mix, urls, start, env, pids string) (err error) {
	s.secret = cmp.Or(s.secret, os.Getenv("JWT_SECRET"))
	i := slices.IndexFunc(scenarios, func(sc scenario) bool { return sc.name == s.scenario })
	if i < 0 {
		return fmt.Errorf("-scenario %q: there is no such one", s.scenario)
	}
	sc := scenarios[i]
	if s.messages < 0 {
		s.messages = sc.messages
	}
	if s.duration == 0 {
		s.duration = sc.duration
	}
	if s.steps == 0 {
		s.steps = min(sc.steps, s.connections)
	}
	if s.settle < 0 {
		s.settle = sc.settle
	}
	if s.processes == 0 {
		s.processes = max((s.connections+14_999)/15_000, min(2, s.connections))
	}
	if s.mix, err = parseMix(mix); err != nil {
		return fmt.Errorf("-mix %q: %w", mix, err)
	}
	if urls != "" {
		s.urls = strings.Split(urls, ",")
	}
	if start != "" {
		if s.start, err = parseStart(start); err != nil {
			return fmt.Errorf("-start %q: %w", start, err)
		}
	}
	if env != "" {
		s.env = strings.Split(env, ",")
	}
	if pids != "" {
		if s.pids, err = parsePIDs(pids); err != nil {
			return fmt.Errorf("-pids %q: %w", pids, err)
		}
	}
	return nil
}

func (s *settings) check() error {
	switch {
	case s.connections < 1 || s.processes < 1 || s.handshakes < 1 || s.steps < 1 || s.group < 1 || s.topics < 1 || s.publishers < 1 ||
		s.own < 0 || s.rate < 0 || s.sharedRate < 0 || s.duration < 0 || s.size < 1 || s.patience < 0:
		return errors.New("a number is too small")
	case s.processes > s.connections:
		return errors.New("-processes is more than -connections")
	case s.steps > s.connections:
		return errors.New("-steps is more than -connections")
	case s.scenario == "hot" && s.topics*s.publishers > s.connections:
		return errors.New("-topics times -publishers is more than -connections")
	case s.publishers > s.connections:
		return errors.New("-publishers is more than -connections")
	case s.group > 100 && s.has(kindPresence):
		return errors.New("-group is more than the 100 users that one WatchPresence may name")
	case (s.start == nil) == (len(s.urls) == 0):
		return errors.New("either -url or -start says where the servers are")
	case s.start == nil && s.secret == "":
		return errors.New("-url needs -secret, or JWT_SECRET, to sign tokens")
	case s.start == nil && s.drain:
		return errors.New("-drain needs -start")
	case s.start != nil && s.drain && s.start.Gateways < 2:
		return errors.New("-drain needs two gateways at least")
	case s.start == nil && (len(s.env) > 0 || s.logs != "" || s.binary != ""):
		return errors.New("-env, -logs and -binary need -start")
	case s.start != nil && s.pids != nil:
		return errors.New("-pids needs -url")
	}
	return nil
}

func parseMix(text string) (map[string]float64, error) {
	mix := make(map[string]float64)
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || v < 0 {
			return nil, fmt.Errorf("%q is no weight", part)
		}
		if !slices.Contains([]string{kindChat, kindRooms, kindDirect, kindPresence}, name) {
			return nil, fmt.Errorf("%q is none of chat, rooms, direct and presence", name)
		}
		mix[name] = v
	}
	for _, v := range mix {
		if v > 0 {
			return mix, nil
		}
	}
	return nil, errors.New("no weight is more than 0")
}

func parseStart(text string) (*cluster.Spec, error) {
	var spec cluster.Spec
	counts := map[string]*int{"all": &spec.All, "gateways": &spec.Gateways, "routers": &spec.Routers, "presences": &spec.Presences, "nats": &spec.NATS}
	for part := range strings.SplitSeq(text, ",") {
		name, value, given := strings.Cut(part, "=")
		if name == "redis" && !given {
			spec.Redis = true
			continue
		}
		n, err := 1, error(nil)
		if given {
			n, err = strconv.Atoi(value)
		}
		if counts[name] == nil || err != nil || n < 1 {
			return nil, fmt.Errorf("%q is none of %s with a number, and redis", part, strings.Join(slices.Sorted(maps.Keys(counts)), ", "))
		}
		*counts[name] = n
	}
	if roles := spec.Gateways + spec.Routers + spec.Presences; roles > 0 || spec.All > 1 {
		spec.NATS = max(spec.NATS, 1)
		if roles > 0 && (spec.Gateways == 0 || spec.Routers == 0 || spec.Presences == 0) {
			return nil, errors.New("gateways, routers and presences need each other")
		}
	}
	return &spec, nil
}

func parsePIDs(text string) (list []server, err error) {
	for part := range strings.SplitSeq(text, ",") {
		name, value, named := strings.Cut(part, "=")
		if !named {
			name, value = "", part
		}
		pid, err := strconv.Atoi(value)
		if err != nil || pid < 1 {
			return nil, fmt.Errorf("%q is no process", part)
		}
		if name == "" {
			name = "pid " + value
		}
		list = append(list, server{name: name, role: strings.TrimRight(name, "-0123456789"), pid: pid})
	}
	return list, nil
}

// has says whether connections talk in a way.
func (s *settings) has(name string) bool {
	return slices.ContainsFunc(s.kinds(), func(k kind) bool { return k.Name == name })
}

// kinds are how the connections talk.
func (s *settings) kinds() (list []kind) {
	neighbours := func(name string, rate float64) {
		list = append(list, kind{Name: name, Rate: rate, Size: s.group, Total: s.connections})
	}
	shared := kind{Name: kindShared, Rate: s.sharedRate, Crowds: 1, Senders: s.publishers, Total: s.connections}
	switch s.scenario {
	case "idle", "storm", "fanout":
		shared.Rate += s.messages
		return []kind{shared}
	case "hot":
		list = append(list, kind{Name: kindHot, Rate: s.messages, Crowds: s.topics, Senders: s.publishers, Total: s.connections})
	case "mixed":
		all := 0.0
		for _, v := range s.mix {
			all += v
		}
		for _, name := range []string{kindChat, kindRooms, kindDirect, kindPresence} {
			if v := s.mix[name]; v > 0 {
				neighbours(name, s.messages*v/all)
			}
		}
	default:
		neighbours(s.scenario, s.messages)
	}
	if s.shared || s.sharedRate > 0 {
		list = append(list, shared)
	}
	return list
}
