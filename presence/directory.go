package presence

import (
	"slices"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// place is one loop of one gateway.
type place struct {
	gateway *owner.Gateway
	loop    uint16
}

// spot is how many connections of a user a place has, never none.
type spot struct {
	place
	count uint32
	since uint32 // Unix seconds; 0: longer than this owner knows
}

// directory is where the connections of users are, and a digest of what each place told. It is pure: no clock, no I/O.
type directory struct {
	users   map[string]*user // by key
	digests map[place]wire.Digest
	total   int // connections
}

func newDirectory() directory {
	return directory{users: make(map[string]*user), digests: make(map[place]wire.Digest)}
}

// ensure finds or begins a user's record.
func (d *directory) ensure(key string) *user {
	u := d.users[key]
	if u == nil {
		key = string([]byte(key)) // it aliases a batch
		u = &user{key: key}
		d.users[key] = u
	}
	return u
}

// set notes how many connections of a user a place has.
func (d *directory) set(u *user, at place, count uint32) {
	i := slices.IndexFunc(u.spots, func(s spot) bool { return s.place == at })
	var before uint32
	if i >= 0 {
		before = u.spots[i].count
	}
	switch {
	case before == count:
		return
	case i < 0:
		u.spots = append(u.spots, spot{place: at, count: count})
	case count == 0:
		u.spots = slices.Delete(u.spots, i, i+1)
	default:
		u.spots[i].count = count
	}
	d.total += int(count) - int(before)
	d.digest(at, u.hash(), before, count)
}

func (d *directory) digest(at place, hash uint64, before, after uint32) {
	g := d.digests[at]
	g.Sum += wire.DigestOf(hash, after) - wire.DigestOf(hash, before)
	switch {
	case before == 0:
		g.Users++
	case after == 0:
		g.Users--
	}
	if g == (wire.Digest{}) {
		delete(d.digests, at)
		return
	}
	d.digests[at] = g
}

// forget drops what the places for which gone is true told, and returns the users who had
// connections there.
func (d *directory) forget(gone func(place) bool) (touched []*user) {
	for _, u := range d.users {
		had, hash := len(u.spots), u.hash()
		u.spots = slices.DeleteFunc(u.spots, func(s spot) bool {
			if !gone(s.place) {
				return false
			}
			d.total -= int(s.count)
			d.digest(s.place, hash, s.count, 0)
			return true
		})
		if len(u.spots) < had {
			touched = append(touched, u)
		}
	}
	return touched
}

// drop forgets a user.
func (d *directory) drop(u *user) {
	hash := u.hash()
	for _, s := range u.spots {
		d.digest(s.place, hash, s.count, 0)
	}
	d.total -= u.connections()
	delete(d.users, u.key)
}

// agrees reports whether a place's own digest is what is known of it here.
func (d *directory) agrees(at place, g wire.Digest) bool { return d.digests[at] == g }
