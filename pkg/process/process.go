// Package process runs the parts of a program one after another and ends them in reverse
// order.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
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

// Signals returns a context that the first SIGTERM or SIGINT ends, after it was told to heard, or
// end; and one that ends timeout later, or with the next signal. release stops the listening.
func Signals(timeout time.Duration, heard func(os.Signal)) (stop, kill context.Context, end, release func()) {
	stop, stopNow := context.WithCancel(context.Background())
	kill, killNow := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		defer killNow()
		select {
		case s := <-signals:
			heard(s)
			stopNow()
		case <-stop.Done():
		}
		select {
		case <-signals:
		case <-time.After(timeout):
		case <-done:
		}
	})
	return stop, kill, stopNow, func() {
		signal.Stop(signals)
		stopNow()
		close(done)
		listening.Wait()
	}
}

// ErrCutShort is returned by Run where kill ended the parts.
var ErrCutShort = errors.New("stopped before all was done: SHUTDOWN_TIMEOUT was over, or a second signal came")

var errEnded = errors.New("ended by itself")

// Run starts the parts in order, each when the one before has started, calls started, and waits
// until stop is done or a part fails, by itself ending included: then it calls end, so that the
// others are not waited for without limit either. It stops them in reverse order, each when the
// one after it has ended, and returns the first failure, or ErrCutShort.
func Run(stop, kill context.Context, end func(), parts []Part, started func()) error {
	type ended struct {
		part int
		err  error
	}
	ends := make(chan ended, len(parts))
	stops := make([]context.CancelFunc, 0, len(parts))
	var failure error
	gone := make(map[int]bool)
	took := func(e ended) {
		gone[e.part] = true
		err := e.err
		switch told := stop.Err() != nil; {
		case told && errors.Is(err, context.Canceled):
			err = nil
		case !told && err == nil:
			err = errEnded
		}
		if failure == nil && err != nil {
			failure = fmt.Errorf("%s: %w", parts[e.part].Name, err)
			end()
		}
	}
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
			took(e)
		case <-stop.Done():
		}
		break
	}
	if failure == nil && stop.Err() == nil {
		started()
		select {
		case e := <-ends:
			took(e)
		case <-stop.Done():
		}
	}
	for i := len(stops) - 1; i >= 0; i-- {
		stops[i]()
		for !gone[i] {
			took(<-ends)
		}
	}
	if failure == nil && kill.Err() != nil {
		return ErrCutShort
	}
	return failure
}
