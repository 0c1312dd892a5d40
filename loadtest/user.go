package loadtest

import (
	"fmt"
	"sync"
)

// user is one of the people.
type user struct {
	// static
	index int // among all of them
	name  string
	part  part
	load  *Load
	rec   *recorder
	rooms []int // of which it is a member all the time
	tabs  []*tab
	all   []*user // of the run, itself included
	room  int     // whose turn it is; owned by the first tab
	to    int     // likewise, of all

	mu      sync.Mutex // guards what follows
	open    int        // tabs whose connection is there and settled
	half    int        // tabs whose connection is not closed, or not yet settled
	changes int        // of these two
}

// part is what a user does.
type part int

const (
	resident part = iota
	twin
	visitor
	wanderer
)

// newUsers makes the people of a run, residents first.
func newUsers(load *Load, rec *recorder) []*user {
	var all []*user
	p := load.People
	for _, k := range []struct {
		part part
		name string
		n    int
		tabs int
	}{{resident, "resident", p.Residents, 1}, {twin, "twin", p.Twins, 2}, {visitor, "visitor", p.Visitors, 1}, {wanderer, "wanderer", p.Wanderers, 1}} {
		for i := range k.n {
			u := &user{index: len(all), room: len(all), to: len(all), name: fmt.Sprintf("%s-%d", k.name, i), part: k.part, load: load, rec: rec}
			for room := range p.Rooms {
				if k.part <= twin && load.inRoom(u.index, room) {
					u.rooms = append(u.rooms, room)
				}
			}
			for t := range k.tabs {
				u.tabs = append(u.tabs, &tab{user: u, index: t, gateway: u.index + t, silent: t > 0})
			}
			all = append(all, u)
		}
	}
	for _, u := range all {
		u.all = all
	}
	return all
}

// whereabouts of a user: here with all its tabs, away with all, or neither.
type whereabouts struct {
	here, away bool
	changes    int
}

func (u *user) whereabouts() whereabouts {
	u.mu.Lock()
	defer u.mu.Unlock()
	return whereabouts{here: u.open == len(u.tabs), away: u.open+u.half == 0, changes: u.changes}
}

func (u *user) change(open, half int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open += open
	u.half += half
	u.changes++
}
