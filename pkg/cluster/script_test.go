package cluster

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the scripts in testdata give as what they should")

const second = time.Second

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestScripts runs testdata/*.txt against Members. A script is blocks of commands, the line
// ----, and the effects they are to have, each after the time it comes at. One second
// between beats, dead after three, suspects after one. Commands, with refs like 2/0:
//
//	node REF ROLE         begins anew: this node
//	tick D [with REF...]  D passes, tick by tick; the routers named beat each second
//	pause D               D passes while this process is stopped
//	hear REF ROLE STATE [hello] [gone] [dead=REF] [suspects=REF]
//	suspect REF...        our own side found nobody there
//	echo on|off           whether our own beats come back to us
//	down | up             the NATS link
//	activate | leave
//	tombs                 how many deaths are remembered
//
// A beat that says what the last one said is only counted.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var result []string
	s := &script{t: t}
	for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		input, want, _ := strings.Cut(block, "\n----")
		for line := range strings.SplitSeq(input, "\n") {
			s.run(line)
		}
		got := strings.Join(s.out, "")
		if got != want && !*update {
			t.Errorf("%s\ngave%s\nwant%s", input, got, want)
		}
		result = append(result, input+"\n----"+got)
		s.out = nil
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(result, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

type script struct {
	t     *testing.T
	m     *Members
	now   time.Time
	echo  bool
	said  string // the last beat
	again int    // how often it was said since
	out   []string
}

func (s *script) run(line string) {
	f := strings.Fields(line)
	if len(f) == 0 || f[0] == "#" {
		return
	}
	switch f[0] {
	case "node":
		*s = script{t: s.t, now: start, out: s.out}
		s.m = newMembers(Node{Ref: s.ref(f[1]), Role: Role(f[2]), Lanes: 1}, second, 3*second, second)
	case "tick":
		s.tick(s.duration(f[1]), f[2:])
	case "pause":
		s.now = s.now.Add(s.duration(f[1]))
	case "hear":
		s.apply(s.m.Beat(s.now, s.beat(f[1:])))
	case "suspect":
		var refs []Ref
		for _, word := range f[1:] {
			refs = append(refs, s.ref(word))
		}
		s.apply(s.m.Suspect(s.now, refs))
	case "echo":
		s.echo = f[1] == "on"
	case "down":
		s.apply(s.m.LinkDown(s.now))
	case "up":
		s.apply(s.m.LinkUp(s.now))
	case "activate":
		s.apply(s.m.Activate(s.now))
	case "leave":
		s.apply(s.m.Leave(s.now))
	case "tombs":
		s.print("%d tombs", len(s.m.tombs))
	default:
		s.t.Fatalf("unknown command %q", line)
	}
	if s.again > 0 {
		s.print("%s, %d times", s.said, s.again)
		s.again = 0
	}
}

func (s *script) tick(d time.Duration, others []string) {
	every := s.m.tickEvery()
	for end := s.now.Add(d); s.now.Before(end); {
		s.apply(s.m.Tick(s.now))
		s.now = s.now.Add(every)
		if len(others) > 0 && s.now.Sub(start)%second == 0 {
			for _, ref := range others[1:] {
				s.apply(s.m.Beat(s.now, s.beat([]string{ref, "router", "active"})))
			}
		}
	}
}

func (s *script) apply(e Effects) {
	if e.Deposed {
		s.print("deposed: now %s", short(s.m.Self().Ref))
	}
	if e.Views != nil {
		if len(e.Views.Gateways.Active)+len(e.Views.Routers.Active)+len(e.Views.Presences.Active) == 0 {
			s.print("nobody is active%s", reasons(e.Changes))
		}
		for _, r := range Roles {
			if v := e.Views.Of(r); len(v.Active)+len(v.Leaving) > 0 {
				s.print("%s: active %s leaving %s%s", r, refs(v.Active), refs(v.Leaving), reasons(e.Changes))
			}
		}
	}
	for _, n := range e.Suspected {
		s.print("suspected: %s", short(n.Ref))
	}
	if e.Ready {
		s.print("ready")
	}
	if e.Beat == nil {
		return
	}
	words := []string{"beat", short(e.Beat.Ref), e.Beat.State.String()}
	if e.Beat.Hello {
		words = append(words, "hello")
	}
	for _, r := range e.Beat.Dead {
		words = append(words, "dead="+short(r))
	}
	for _, r := range e.Beat.Suspects {
		words = append(words, "suspects="+short(r))
	}
	said := strings.Join(words, " ")
	if said == s.said && !e.Beat.Hello {
		s.again++
	} else {
		s.said = said
		s.print("%s", said)
	}
	if s.echo {
		s.apply(s.m.Beat(s.now, *e.Beat))
	}
}

func (s *script) print(format string, args ...any) {
	s.out = append(s.out, fmt.Sprintf("\n%s ", s.now.Sub(start))+fmt.Sprintf(format, args...))
}

func (s *script) beat(f []string) Beat {
	b := Beat{Node: Node{Ref: s.ref(f[0]), Role: Role(f[1]), Lanes: 1}}
	if err := b.State.UnmarshalText([]byte(f[2])); err != nil {
		s.t.Fatal(err)
	}
	for _, word := range f[3:] {
		switch {
		case word == "hello":
			b.Hello = true
		case word == "gone":
			b.Gone = true
		case strings.HasPrefix(word, "suspects="):
			b.Suspects = append(b.Suspects, s.ref(strings.TrimPrefix(word, "suspects=")))
		default:
			b.Dead = append(b.Dead, s.ref(strings.TrimPrefix(word, "dead=")))
		}
	}
	return b
}

func (s *script) duration(word string) time.Duration {
	d, err := time.ParseDuration(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *script) ref(word string) Ref {
	id, inc, _ := strings.Cut(word, "/")
	i, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	j, err := strconv.ParseUint(inc, 10, 32)
	if err != nil {
		s.t.Fatal(err)
	}
	return Ref{i, uint32(j)}
}

func short(r Ref) string { return fmt.Sprintf("%d/%d", r.ID, r.Inc) }

func refs(nodes []Node) string {
	var words []string
	for _, n := range nodes {
		words = append(words, short(n.Ref))
	}
	return "[" + strings.Join(words, " ") + "]"
}

func reasons(changes []Change) string {
	var words []string
	for _, c := range changes {
		words = append(words, short(c.Node.Ref)+" "+c.Why.String())
	}
	return " (" + strings.Join(words, ", ") + ")"
}
