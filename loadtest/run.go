package loadtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// Run puts load on the system and reports. The error says that the run itself
// did not come about: a client could not connect or subscribe, a fault could not
// be done, ctx ended. Broken promises are in the report. All connections are
// closed and all goroutines joined when Run returns.
func Run(ctx context.Context, load Load) (*Report, error) {
	load, err := load.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &run{load: &load, rec: newRecorder(load), closing: make(chan struct{})}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	end, err := r.publish(ctx)
	if err != nil {
		return nil, err
	}
	r.drain(ctx)
	r.close()
	rep := r.rec.report(load, end)
	rep.Tally = load.People.Progress.Now()
	return rep, nil
}

type run struct {
	load *Load
	rec  *recorder

	publishers  []*publisher
	subscribers []*subscriber
	joiners     []*subscriber

	users []*user
	stays []*stay // the first of each tab

	closing   chan struct{} // closed before this side closes connections
	closeOnce sync.Once
	watchers  sync.WaitGroup
	clients   []*client.Client
}

// connect opens all connections and makes all subscriptions but the joiners'.
func (r *run) connect(ctx context.Context) error {
	for g := range r.load.Gateways {
		for range r.load.Publishers {
			p := &publisher{index: len(r.publishers), load: r.load, rec: r.rec}
			conn, err := r.dial(ctx, g, fmt.Sprintf("publisher-%d", p.index), -1, client.Options{Other: p.other})
			if err != nil {
				return err
			}
			p.conn = conn
			r.publishers = append(r.publishers, p)
		}
		for i := range r.load.Exact + r.load.Wild + r.load.Joiners {
			s := &subscriber{index: len(r.subscribers) + len(r.joiners), load: r.load, rec: r.rec}
			joins := i >= r.load.Exact+r.load.Wild
			s.wild = i >= r.load.Exact && !joins || joins && s.index%2 == 0
			conn, err := r.dial(ctx, g, fmt.Sprintf("subscriber-%d", s.index), s.index,
				client.Options{Deliver: s.deliver, Other: s.other})
			if err != nil {
				return err
			}
			s.conn = conn
			if joins {
				r.joiners = append(r.joiners, s)
				continue
			}
			if err := s.subscribe(ctx); err != nil {
				return err
			}
			r.subscribers = append(r.subscribers, s)
		}
	}
	return r.gather(ctx)
}

// dial connects one client and watches for the loss of its connection.
func (r *run) dial(ctx context.Context, gateway int, user string, sub int, opts client.Options) (*client.Client, error) {
	token, err := r.load.Token(user)
	if err != nil {
		return nil, fmt.Errorf("token for %s: %w", user, err)
	}
	conn, err := client.Dial(ctx, r.load.Gateways[gateway], token, opts)
	if err != nil {
		return nil, fmt.Errorf("connect %s to gateway %d: %w", user, gateway, err)
	}
	r.clients = append(r.clients, conn)
	r.watchers.Go(func() {
		select {
		case <-conn.Done():
			r.rec.disconnected(fmt.Sprintf("%s on gateway %d", user, gateway), sub, conn.Err())
		case <-r.closing:
		}
	})
	return conn, nil
}

// publish runs publishers, joiners, people and faults for the load's duration
// and returns the time at which the publishers stopped.
func (r *run) publish(ctx context.Context) (end time.Duration, err error) {
	start := r.rec.now()
	g, gctx := errgroup.WithContext(ctx)
	work, stop := context.WithCancel(gctx)
	defer stop()
	for _, p := range r.publishers {
		g.Go(func() error { p.run(work); return nil })
	}
	for i, j := range r.joiners {
		at := start + r.load.Duration*time.Duration(i+1)/time.Duration(len(r.joiners)+1)
		g.Go(func() error { return j.join(work, at) })
	}
	r.live(work)
	g.Go(func() error {
		defer stop()
		return r.faults(gctx, start)
	})
	err = g.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return r.rec.now(), err
}

// drain waits until everything is answered, everybody is back, and nothing
// arrives any more.
func (r *run) drain(ctx context.Context) {
	const quietFor = 500 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, r.load.Drain)
	defer cancel()
	for {
		// At least one full wait: the latest messages may still be on their way.
		if !sleep(ctx, quietFor) {
			return
		}
		if n, quiet := r.rec.outstanding(); n == 0 && quiet >= quietFor && r.home() {
			return
		}
	}
}

// close ends all connections and joins their goroutines.
func (r *run) close() {
	r.closeOnce.Do(func() { close(r.closing) })
	r.watchers.Wait()
	var wg sync.WaitGroup
	for _, s := range r.stays {
		wg.Go(func() { _ = s.conn.Close() }) // those that live took over are closed
	}
	for _, c := range r.clients {
		wg.Go(func() { _ = c.Close() })
	}
	wg.Wait()
}
