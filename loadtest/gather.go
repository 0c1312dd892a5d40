package loadtest

import (
	"context"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// gather connects the people and makes their rooms.
func (r *run) gather(ctx context.Context) error {
	p := r.load.People
	p.Progress.begin(p.Rooms)
	r.users = newUsers(r.load, r.rec)
	for _, u := range r.users {
		for _, t := range u.tabs {
			s := newStay(t)
			err := t.open(ctx, s)
			if err != nil {
				return err
			}
			r.stays = append(r.stays, s)
			if len(r.stays) == 1 {
				err = makeRooms(ctx, s.conn, r.load)
			}
			if err == nil {
				err = s.settle(ctx)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func makeRooms(ctx context.Context, c *client.Client, load *Load) error {
	for i := range load.People.Rooms {
		if err := c.CreateRoom(ctx, client.RoomSpec{Name: load.room(i), Durable: load.People.Durable(i)}); err != nil {
			return err
		}
	}
	return nil
}

// live lets the people live: their business ends with work, they when the run
// closes.
func (r *run) live(work context.Context) {
	life, end := context.WithCancel(context.WithoutCancel(work))
	r.watchers.Go(func() {
		<-r.closing
		end()
	})
	for _, s := range r.stays {
		r.watchers.Go(func() { s.tab.live(life, work, s) })
	}
}

// home reports whether everybody is connected.
func (r *run) home() bool {
	for _, u := range r.users {
		if !u.whereabouts().here {
			return false
		}
	}
	return true
}
