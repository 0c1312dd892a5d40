//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// The writers, the first of which writes to a room, and how many messages of one may wait for their Acks.
const (
	writers = 4
	window  = 32
)

var payload = `"` + strings.Repeat("x", 1000) + `"`

// startLoad writes to topics and a room with history, and makes durable rooms, until it is stopped or its connections
// end. stop may be called twice.
func startLoad(ctx context.Context, set *settings, p *plant, rec *record, round int) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	url := p.cluster.WS()[0]
	for i := range writers {
		user := fmt.Sprintf("writer%d", i)
		wg.Go(func() {
			c, err := dial(ctx, p, url, user)
			if err != nil {
				return
			}
			defer c.Abort()
			k := key{fmt.Sprintf("t.%d", i), i == 0}
			if k.room && !enter(ctx, c, k.name) {
				return
			}
			write(ctx, c, rec, k, round, writers*time.Second/time.Duration(set.rate))
		})
	}
	wg.Go(func() {
		c, err := dial(ctx, p, url, "owner")
		if err != nil {
			return
		}
		defer c.Abort()
		furnish(ctx, c, rec, round)
	})
	return func() { cancel(); wg.Wait() }
}

func dial(ctx context.Context, p *plant, url, user string) (*client.Client, error) {
	token, err := p.cluster.Token(user)
	if err != nil {
		return nil, err
	}
	return client.Dial(ctx, url, token, client.Options{})
}

// enter makes the room unless it exists.
func enter(ctx context.Context, c *client.Client, room string) bool {
	for {
		err := c.CreateRoom(ctx, client.RoomSpec{Name: room, Durable: true, Members: []string{"owner"}})
		if err == nil || client.Code(err) == 409 {
			return true
		}
		if ended(ctx, c) {
			return false
		}
	}
}

// write sends messages, one in every interval at most.
func write(ctx context.Context, c *client.Client, rec *record, k key, round int, interval time.Duration) {
	publish := c.PublishAs
	if k.room {
		publish = c.SendRoomAs
	}
	slots := make(chan struct{}, window)
	tick := time.NewTicker(max(interval, 5*time.Millisecond))
	defer tick.Stop()
	start := time.Now()
	for sent := 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-c.Done():
			return
		}
		due := int(time.Since(start) / interval)
		for ; sent < due && len(slots) < window; sent++ {
			slots <- struct{}{}
			err := publish(fmt.Sprintf("%s-%d-%d", k.name, round, sent), k.name, payload, func(a client.Ack, err error) {
				<-slots
				if err == nil && a.Status == "stored" {
					rec.message(k, a)
				}
			})
			if err != nil {
				return
			}
		}
		sent = max(sent, due-window) // what was not sent in time is not made up for
	}
}

// furnish makes durable rooms, one after the other, adds members and removes some.
func furnish(ctx context.Context, c *client.Client, rec *record, round int) {
	for i := 0; ; i++ {
		room := fmt.Sprintf("room.%d.%d", round, i)
		if err := c.CreateRoom(ctx, client.RoomSpec{Name: room, Durable: true}); err != nil {
			if ended(ctx, c) {
				return
			}
			continue
		}
		rec.room(room)
		for _, step := range []struct {
			user string
			do   func(ctx context.Context, room, user string) error
			is   bool
		}{{"ann", c.AddMember, true}, {"ben", c.AddMember, true}, {"ann", c.RemoveMember, false}} {
			rec.unknown(room, step.user)
			if err := step.do(ctx, room, step.user); err != nil {
				if ended(ctx, c) {
					return
				}
				break
			}
			rec.member(room, step.user, step.is)
		}
	}
}

// ended waits a moment after an error and tells whether there will be others.
func ended(ctx context.Context, c *client.Client) bool {
	select {
	case <-ctx.Done():
		return true
	case <-c.Done():
		return true
	case <-time.After(50 * time.Millisecond):
		return false
	}
}
