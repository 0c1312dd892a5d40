package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
	"github.com/realtime-cluster/realtime/loadtest/client"
)

// pageSize is how many messages one History asks for.
const pageSize = 1000

// readAll tells the checker what History has of every key.
func readAll(ctx context.Context, set *settings, sys *system, rec *recorder) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for key := range set.keys() {
		g.Go(func() error {
			err := readKey(ctx, set, sys, rec, key)
			if err != nil {
				return fmt.Errorf("read the history of %s: %w", set.name(key), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// readKey reads the history of a key from its beginning to its end, and its last page backwards.
func readKey(ctx context.Context, set *settings, sys *system, rec *recorder, key int) error {
	by := &asker{sys: sys, rng: rand.New(rand.NewPCG(set.seed, uint64(3000+key)))}
	defer by.close()
	ask := client.HistoryRequest{Topic: set.name(key), Limit: pageSize}
	if set.room(key) {
		ask.Topic, ask.Room = "", set.name(key)
	}
	var last []client.Delivery
	for {
		page, err := by.turn(ctx, ask)
		if err != nil {
			return err
		}
		if len(page.list) > 0 {
			last = page.list
			ask.Since = &client.Position{Offset: last[len(last)-1].Offset, Epoch: last[len(last)-1].Epoch}
		}
		tell(set, rec, key, page.list, ask.Reverse)
		if page.Complete || len(page.list) == 0 {
			rec.tell(func(c *history.Checker) {
				if !page.Complete || page.Top.Offset > 0 && (ask.Since == nil || *ask.Since != page.Top) {
					c.Note(history.Page, "%s: it ends at %v, and says that its end is %v, complete: %t", set.name(key), ask.Since, page.Top, page.Complete)
				}
				c.Top(key, position(page.Top))
			})
			break
		}
	}
	ask.Since, ask.Reverse = nil, true
	page, err := by.turn(ctx, ask)
	if err != nil {
		return err
	}
	back := slices.Clone(page.list)
	slices.Reverse(back)
	tell(set, rec, key, back, true)
	if n := len(last); n > 0 && (len(back) < n || !slices.Equal(back[len(back)-n:], last)) {
		rec.tell(func(c *history.Checker) {
			c.Note(history.Page, "%s: its last %d messages are others when it is read backwards, %d of them", set.name(key), n, len(back))
		})
	}
	return nil
}

type page struct {
	client.HistoryPage
	list []client.Delivery // of a room as well
}

// asker asks for histories, over whatever connection it has.
type asker struct {
	sys  *system
	rng  *rand.Rand
	conn *client.Client // nil: there is none
}

func (a *asker) close() {
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn = nil
	}
}

// turn asks for a page, again for a while when it is refused or the connection ends.
func (a *asker) turn(ctx context.Context, ask client.HistoryRequest) (page, error) {
	for tries := 0; ; tries++ {
		p, err := a.try(ctx, ask)
		if err == nil {
			return p, nil
		}
		switch code := client.Code(err); {
		case code == 0:
			a.close()
		case code < 500:
			return page{}, err
		}
		if tries == 20 || !sleep(ctx, 500*time.Millisecond) {
			return page{}, err
		}
	}
}

func (a *asker) try(ctx context.Context, ask client.HistoryRequest) (p page, err error) {
	if a.conn == nil {
		if a.conn, err = a.sys.dial(ctx, a.rng, userOf(0), client.Options{}); err != nil {
			return p, err
		}
	}
	got, err := a.conn.History(ctx, ask)
	if err != nil {
		return p, err
	}
	p = page{HistoryPage: got, list: got.Deliveries}
	for _, m := range got.Messages {
		p.list = append(p.list, client.Delivery{
			Topic: m.Room, Payload: m.Payload, FromUser: m.FromUser, MessageID: m.MessageID, SentAt: m.SentAt, Offset: m.Offset, Epoch: m.Epoch,
		})
	}
	return p, nil
}

// tell tells the checker of stored messages, oldest first. Those that were read before are only looked at.
func tell(set *settings, rec *recorder, key int, list []client.Delivery, again bool) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for i, d := range list {
		m, ok := messageOf(d.Payload, d.MessageID, d.FromUser, key, set.payload)
		at := history.Position{Offset: uint64(max(d.Offset, 0)), Epoch: d.Epoch}
		switch {
		case !ok || d.Topic != set.name(key):
			rec.checker.Note(history.Altered, "%s, History at %s: %.100q", set.name(key), at, d.Payload)
		case i > 0 && (d.Offset != list[i-1].Offset+1 || d.Epoch != list[i-1].Epoch):
			rec.checker.Note(history.Page, "%s: %s follows %d", set.name(key), at, list[i-1].Offset)
		case !again:
			rec.checker.Kept(key, at, m)
		}
	}
}
