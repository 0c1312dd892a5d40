package process_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/realtime-cluster/realtime/pkg/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// story is what happened, in order.
type story struct {
	mu     sync.Mutex
	events []string // guarded by mu
}

func (s *story) tell(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event)
}

func (s *story) check(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.events, want) {
		t.Errorf("\n got %q\nwant %q", s.events, want)
	}
}

// part runs until it is stopped.
func (s *story) part(name string) process.Part {
	started := make(chan struct{})
	return process.Part{Name: name, Started: started, Run: func(stop, _ context.Context) error {
		s.tell("start " + name)
		close(started)
		<-stop.Done()
		s.tell("stop " + name)
		return nil
	}}
}

func TestOrder(t *testing.T) {
	var s story
	stop, cancel := context.WithCancel(t.Context())
	err := process.Run(stop, t.Context(), cancel, []process.Part{s.part("a"), s.part("b"), s.part("c")}, func() {
		s.tell("started")
		cancel()
	})
	if err != nil {
		t.Error(err)
	}
	s.check(t, "start a", "start b", "start c", "started", "stop c", "stop b", "stop a")
}

// TestFailure: the first failure ends the others, and is told with its part's name.
func TestFailure(t *testing.T) {
	broken := errors.New("broken")
	for name, end := range map[string]error{
		"b: broken": broken, "b: ended by itself": nil,
		"b: context canceled": context.Canceled, // nobody told it to
	} {
		var s story
		fails := make(chan struct{})
		b := process.Part{Name: "b", Run: func(context.Context, context.Context) error {
			<-fails
			return end
		}}
		stop, stopNow := context.WithCancel(t.Context())
		err := process.Run(stop, t.Context(), stopNow, []process.Part{s.part("a"), b, s.part("c")}, func() { close(fails) })
		if err == nil || err.Error() != name || end != nil && !errors.Is(err, end) {
			t.Errorf("error %v, want %s", err, name)
		}
		s.check(t, "start a", "start c", "stop c", "stop a")
		if stop.Err() == nil {
			t.Errorf("%s: end was not called", name)
		}
	}
}

// TestFailureIsNotWaitedForLong: a part that cannot end in good order when another has
// failed is killed like after a signal.
func TestFailureIsNotWaitedForLong(t *testing.T) {
	stop, kill, end, release := process.Signals(10*time.Millisecond, func(s os.Signal) { t.Errorf("heard %v", s) })
	defer release()
	stuck := process.Part{Name: "stuck", Run: func(_, kill context.Context) error {
		<-kill.Done()
		return errors.New("killed")
	}}
	broken := process.Part{Name: "broken", Run: func(context.Context, context.Context) error { return errors.New("no") }}
	if err := process.Run(stop, kill, end, []process.Part{stuck, broken}, func() {}); err == nil || err.Error() != "broken: no" {
		t.Error(err)
	}
}

// TestStoppedParts: a part that was told to stop may say that it was canceled, or fail.
func TestStoppedParts(t *testing.T) {
	for want, says := range map[string]error{"": context.Canceled, "a: lost something": errors.New("lost something")} {
		stop, stopNow := context.WithCancel(t.Context())
		a := process.Part{Name: "a", Run: func(stop, _ context.Context) error {
			<-stop.Done()
			return says
		}}
		err := process.Run(stop, t.Context(), stopNow, []process.Part{a}, stopNow)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("error %q, want %q", got, want)
		}
	}
}

// TestFailureAtStart: what comes after it does not start.
func TestFailureAtStart(t *testing.T) {
	var s story
	b := process.Part{Name: "b", Started: make(chan struct{}), Run: func(context.Context, context.Context) error {
		return errors.New("no room")
	}}
	err := process.Run(t.Context(), t.Context(), func() {}, []process.Part{s.part("a"), b, s.part("c")}, func() { s.tell("started") })
	if err == nil || err.Error() != "b: no room" {
		t.Error(err)
	}
	s.check(t, "start a", "stop a")
}

// TestStopDuringStart: what has started is stopped, in good order.
func TestStopDuringStart(t *testing.T) {
	var s story
	stop, cancel := context.WithCancel(t.Context())
	b := s.part("b")
	b.Started = make(chan struct{}) // never
	time.AfterFunc(10*time.Millisecond, cancel)
	err := process.Run(stop, t.Context(), cancel, []process.Part{s.part("a"), b, s.part("c")}, func() { s.tell("started") })
	if err != nil {
		t.Error(err)
	}
	s.check(t, "start a", "start b", "stop b", "stop a")
}

func TestCutShort(t *testing.T) {
	stop, stopNow := context.WithCancel(t.Context())
	kill, killNow := context.WithCancel(t.Context())
	slow := process.Part{Name: "slow", Run: func(stop, kill context.Context) error {
		<-stop.Done()
		killNow()
		<-kill.Done()
		return nil
	}}
	if err := process.Run(stop, kill, stopNow, []process.Part{slow}, stopNow); !errors.Is(err, process.ErrCutShort) {
		t.Error(err)
	}
}

func TestSignals(t *testing.T) {
	for name, second := range map[string]func(){
		"second signal": func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) },
		"timeout":       func() {},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Hour
			if name == "timeout" {
				timeout = 10 * time.Millisecond
			}
			heard := make(chan os.Signal, 1)
			stop, kill, _, release := process.Signals(timeout, func(s os.Signal) { heard <- s })
			defer release()
			if stop.Err() != nil || kill.Err() != nil {
				t.Fatal("ended before any signal")
			}
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			<-stop.Done()
			if s := <-heard; s != syscall.SIGINT {
				t.Errorf("heard %v", s)
			}
			second()
			<-kill.Done()
		})
	}
	stop, kill, end, release := process.Signals(time.Hour, func(s os.Signal) { t.Errorf("heard %v", s) })
	end()
	<-stop.Done()
	if kill.Err() != nil {
		t.Error("end kills at once")
	}
	release()
	<-stop.Done()
	<-kill.Done()
}
