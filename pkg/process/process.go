// Package process runs the parts of a program one after another and ends them in reverse
// order.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Part is one part of a program.
type Part struct {
	Name string

	// Run does the part's work until stop is done, then ends in good order, at the latest
	// when kill is done. It has joined all its goroutines when it returns.
	Run func(stop, kill context.Context) error

	// Started is closed when the next part may start; nil: at once.
	Started <-chan struct{}
}

// Signals returns a context that the first SIGTERM or SIGINT ends, after it was told to heard,
// and one that ends timeout later, or with the second signal. release stops the listening.
func Signals(timeout time.Duration, heard func(os.Signal)) (stop, kill context.Context, release func()) {
	stop, stopNow := context.WithCancel(context.Background())
	kill, killNow := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	go func() {
		defer killNow()
		select {
		case s := <-signals:
			heard(s)
			stopNow()
		case <-done:
			stopNow()
			return
		}
		select {
		case <-signals:
		case <-time.After(timeout):
		case <-done:
		}
	}()
	return stop, kill, func() {
		signal.Stop(signals)
		close(done)
	}
}

// ErrCutShort is returned by Run where kill ended the parts.
var ErrCutShort = errors.New("stopped before all was done: SHUTDOWN_TIMEOUT was over, or a second signal came")

// Run starts the parts in order, each when the one before has started, calls started, and waits
// until stop is done or a part fails. It then stops them in reverse order, each when the one
// after it has ended. It returns the first failure, or ErrCutShort.
func Run(stop, kill context.Context, parts []Part, started func()) error {
	type ended struct {
		part int
		err  error
	}
	ends := make(chan ended, len(parts))
	stops := make([]context.CancelFunc, 0, len(parts))
	var failure error
	fail := func(e ended) {
		if failure == nil && !errors.Is(e.err, context.Canceled) {
			if failure = e.err; failure == nil && stop.Err() == nil {
				failure = errors.New("ended by itself")
			}
			if failure != nil {
				failure = fmt.Errorf("%s: %w", parts[e.part].Name, failure)
			}
		}
	}
	gone := make(map[int]bool)
	for i, p := range parts {
		partStop, cancel := context.WithCancel(context.WithoutCancel(stop))
		defer cancel()
		stops = append(stops, cancel)
		go func() { ends <- ended{i, p.Run(partStop, kill)} }()
		if p.Started == nil {
			continue
		}
		select {
		case <-p.Started:
			continue
		case e := <-ends:
			gone[e.part] = true
			fail(e)
		case <-stop.Done():
		}
		break
	}
	if failure == nil && stop.Err() == nil {
		started()
		select {
		case e := <-ends:
			gone[e.part] = true
			fail(e)
		case <-stop.Done():
		}
	}
	for i := len(stops) - 1; i >= 0; i-- {
		stops[i]()
		for !gone[i] {
			e := <-ends
			gone[e.part] = true
			fail(e)
		}
	}
	if failure == nil && kill.Err() != nil {
		return ErrCutShort
	}
	return failure
}
