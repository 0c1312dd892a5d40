//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// patience is how long a system that says that it is ready may still answer with 503.
const patience = 30 * time.Second

// check asks for all that was acknowledged.
func check(ctx context.Context, p *plant, rec *record, rep *report) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	c, err := dial(ctx, p, p.cluster.WS()[0], "owner")
	if err != nil {
		return err
	}
	defer c.Abort()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rep.clear()
	rep.histories = len(rec.messages)
	for k, acked := range rec.messages {
		stored, err := read(ctx, c, k)
		if client.Code(err) == 404 { // the room is gone
			err = nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", k.name, err)
		}
		rep.compare(acked, stored)
	}
	for _, room := range slices.Sorted(maps.Keys(rec.rooms)) {
		if err := checkRoom(ctx, c, room, rec.rooms[room], rep); err != nil {
			return fmt.Errorf("read %s: %w", room, err)
		}
	}
	return nil
}

// message is what is stored of one, in a topic or a room.
type message struct {
	id, payload string
	client.Position
}

// read reads all that a topic or room has.
func read(ctx context.Context, c *client.Client, k key) ([]message, error) {
	var all []message
	for {
		req := client.HistoryRequest{Limit: 1000}
		if req.Topic = k.name; k.room {
			req.Topic, req.Room = "", k.name
		}
		if n := len(all); n > 0 {
			req.Since = &all[n-1].Position
		}
		var page client.HistoryPage
		err := again(ctx, func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			page, err = c.History(ctx, req)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("behind %d messages: %w", len(all), err)
		}
		for _, d := range page.Deliveries {
			all = append(all, message{d.MessageID, d.Payload, client.Position{Offset: d.Offset, Epoch: d.Epoch}})
		}
		for _, m := range page.Messages {
			all = append(all, message{m.MessageID, m.Payload, client.Position{Offset: m.Offset, Epoch: m.Epoch}})
		}
		if page.Complete || len(page.Deliveries)+len(page.Messages) == 0 {
			return all, nil
		}
	}
}

// again asks until the answer is another one than 503.
func again(ctx context.Context, ask func() error) error {
	for start := time.Now(); ; {
		err := ask()
		if client.Code(err) != 503 || time.Since(start) > patience {
			return err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// compare counts what is missing of what was acknowledged, and what is wrong with what is there.
func (r *report) compare(acked []client.Ack, stored []message) {
	byID := make(map[string]message, len(stored))
	for i, d := range stored {
		if _, twice := byID[d.id]; twice {
			r.repeated++
		}
		byID[d.id] = d
		if d.Offset != int64(i+1) || d.Epoch != stored[0].Epoch {
			r.gaps++
		}
	}
	for _, a := range acked {
		r.acked++
		d, ok := byID[a.MessageID]
		switch {
		case !ok:
			r.lost++
		case d.Epoch != a.Epoch || d.Offset != a.Offset || d.payload != payload:
			r.moved++
		}
	}
	if len(stored) > 0 && len(acked) > 0 && stored[0].Epoch != acked[0].Epoch {
		r.epochs++
	}
}

// checkRoom counts a room as lost that is not there, or whose members are others than acknowledged.
func checkRoom(ctx context.Context, c *client.Client, room string, members map[string]bool, rep *report) error {
	rep.rooms++
	var info client.RoomInfo
	err := again(ctx, func() (err error) {
		info, err = c.RoomInfo(ctx, room, "", 0)
		return err
	})
	if se := (*client.ServerError)(nil); errors.As(err, &se) && se.Code == 404 {
		rep.lostRooms++
		return nil
	}
	if err != nil {
		return err
	}
	for user, is := range members {
		there := slices.ContainsFunc(info.Members, func(m client.RoomMember) bool { return m.UserID == user })
		if there != is {
			rep.lostRooms++
			return nil
		}
	}
	return nil
}
