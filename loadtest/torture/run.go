package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
	"github.com/realtime-cluster/realtime/loadtest/client"
)

// chaos is done to the system while clients use it.
type chaos interface {
	// run breaks things until ctx ends, and has mended them all when it returns.
	run(ctx context.Context) error
	// report lists what was done.
	report() []figure
}

// torture lets clients use a system while chaos is done to it, and judges what they saw. nil is no chaos. There may be
// a report beside an error.
func torture(ctx context.Context, set *settings, sys *system, ch func(*recorder) chaos, log io.Writer) (*report, error) {
	rec := newRecorder(set, log)
	if err := settle(ctx, set, sys); err != nil {
		return nil, err
	}
	rec.start = time.Now()
	t := &run{set: set, sys: sys, rec: rec, log: log, calm: make(chan struct{}), stop: make(chan struct{})}
	if ch != nil {
		t.chaos = ch(rec)
	}
	return t.all(ctx)
}

// run is the state of one.
type run struct {
	set   *settings
	sys   *system
	rec   *recorder
	chaos chaos
	log   io.Writer
	calm  chan struct{} // closed when all is well again
	stop  chan struct{} // closed when writers begin nothing new
}

func (t *run) all(ctx context.Context) (*report, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var clients, writers sync.WaitGroup
	defer clients.Wait()
	defer writers.Wait()
	defer end()
	for i := range t.set.readers {
		r := newReader(i, t.set, t.sys, t.rec, t.calm)
		clients.Go(func() { r.run(ctx) })
	}
	// Readers that came late would be promised less.
	sleep(ctx, time.Second)
	for i := range t.set.writers {
		w := newWriter(i, t.set, t.sys, t.rec)
		writers.Go(func() { w.run(ctx, t.stop) })
	}
	clients.Go(func() { t.talk(ctx) })
	failed := t.work(ctx)
	if failed != nil {
		fmt.Fprintln(t.log, "the chaos ended:", failed)
	}
	writing := t.rec.now()
	close(t.stop)
	close(t.calm)
	t.await(ctx, "the writers to get their last Acks", wait(&writers))
	caught := make(chan struct{})
	watch, cancel := context.WithTimeout(ctx, t.set.patient)
	clients.Go(func() {
		for t.rec.behind() > 0 && sleep(watch, 50*time.Millisecond) {
		}
		close(caught)
	})
	t.await(ctx, "the readers to get what is left", caught)
	cancel()
	<-caught
	sleep(ctx, time.Second) // what comes now comes too often
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	fmt.Fprintln(t.log, t.rec.line())
	if err := readAll(ctx, t.set, t.sys, t.rec); err != nil {
		failed = errors.Join(failed, err)
	}
	end()
	writers.Wait()
	clients.Wait()
	return newReport(t, writing), failed
}

// work waits until enough is written, while chaos is done.
func (t *run) work(ctx context.Context) error {
	chaos, stop := context.WithTimeout(ctx, t.set.duration)
	defer stop()
	go func() {
		select {
		case <-t.rec.complete:
			stop()
		case <-chaos.Done():
		}
	}()
	if t.chaos != nil {
		if err := t.chaos.run(chaos); err != nil {
			return err
		}
	}
	<-chaos.Done()
	return ctx.Err()
}

// await waits for something that must come now.
func (t *run) await(ctx context.Context, what string, done <-chan struct{}) {
	began := t.rec.now()
	select {
	case <-done:
	case <-ctx.Done():
	case <-time.After(t.set.patient):
		t.rec.tell(func(c *history.Checker) {
			c.Note(history.Stalled, "it took more than %v, after all was well again, for %s", t.set.patient, what)
		})
	}
	fmt.Fprintf(t.log, "waited %.1f s for %s\n", (t.rec.now() - began).Seconds(), what)
}

func wait(g *sync.WaitGroup) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		g.Wait()
		close(done)
	}()
	return done
}

// talk tells every ten seconds how it goes.
func (t *run) talk(ctx context.Context) {
	for sleep(ctx, 10*time.Second) {
		fmt.Fprintln(t.log, t.rec.line())
	}
}

// settle makes the rooms and their members.
func settle(ctx context.Context, set *settings, sys *system) error {
	if set.rooms == 0 {
		return nil
	}
	var users []string
	for i := range set.writers {
		if talks(i) {
			users = append(users, userOf(i))
		}
	}
	for i := range set.readers {
		if kindOf(i) == member {
			users = append(users, (&reader{index: i}).user())
		}
	}
	for i, user := range users {
		if err := join(ctx, set, sys, user, i == 0); err != nil {
			return fmt.Errorf("%s joins the rooms: %w", user, err)
		}
	}
	return nil
}

func join(ctx context.Context, set *settings, sys *system, user string, create bool) error {
	token, err := sys.token(user)
	if err != nil {
		return err
	}
	conn, err := client.Dial(ctx, slices.Min(sys.gateways), token, client.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for i := range set.rooms {
		name := set.name(set.topics + i)
		if err := enter(ctx, conn, name, create); err != nil {
			return err
		}
	}
	return nil
}

// enter makes a user a member of a room, again for a while when it is refused: servers that have just begun may still be looking
// for each other.
func enter(ctx context.Context, conn *client.Client, room string, create bool) (err error) {
	for tries := 0; ; tries++ {
		if create {
			err = conn.CreateRoom(ctx, client.RoomSpec{Name: room, Durable: true})
		} else {
			_, err = conn.JoinRoom(ctx, room, false)
		}
		switch code := client.Code(err); {
		case err == nil || create && tries > 0 && code == 409: // it was made, though it was not known to be
			return nil
		case tries == 20 || code != 503 || !sleep(ctx, 500*time.Millisecond):
			return err
		}
	}
}
