package presence

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// directoryModel is a directory as simply as can be said: by user's key and place how many connections.
type directoryModel map[string]map[place]uint32

// check compares a directory with its model.
func (m directoryModel) check(t *testing.T, d *directory, places []place) {
	t.Helper()
	total := 0
	digests := make(map[place]wire.Digest)
	for key, at := range m {
		u := d.users[key]
		if u == nil {
			t.Fatalf("user %q is not there", key)
		}
		spots := make(map[place]uint32)
		for _, s := range u.spots {
			spots[s.place] += s.count
		}
		if !maps.Equal(spots, at) || len(u.spots) != len(at) {
			t.Fatalf("user %q is at %v, want %v", key, u.spots, at)
		}
		connections := 0
		for p, count := range at {
			connections += int(count)
			g := digests[p]
			g.Users++
			g.Sum += wire.DigestOf(cluster.Hash(key), count)
			digests[p] = g
		}
		if u.connections() != connections {
			t.Fatalf("user %q has %d connections, want %d", key, u.connections(), connections)
		}
		total += connections
	}
	if len(d.users) != len(m) {
		t.Fatalf("%d users, want %d", len(d.users), len(m))
	}
	if d.total != total {
		t.Fatalf("%d connections in all, want %d", d.total, total)
	}
	if !maps.Equal(d.digests, digests) {
		t.Fatalf("digests %v, want %v", d.digests, digests)
	}
	for _, p := range places {
		g := digests[p]
		if !d.agrees(p, g) {
			t.Fatalf("does not agree with %v, its own digest", g)
		}
		for _, wrong := range []wire.Digest{
			{Users: g.Users + 1, Sum: g.Sum}, {Users: g.Users, Sum: g.Sum + 1}, {Users: g.Users - 1, Sum: g.Sum},
		} {
			if d.agrees(p, wrong) {
				t.Fatalf("agrees with %v, its own is %v", wrong, g)
			}
		}
	}
}

// forget drops the places for which gone is true, and returns the users who were there.
func (m directoryModel) forget(gone func(place) bool) (touched []string) {
	for key, at := range m {
		had := len(at)
		maps.DeleteFunc(at, func(p place, _ uint32) bool { return gone(p) })
		if len(at) < had {
			touched = append(touched, key)
		}
	}
	return touched
}

// testPlaces are the loops of some gateways.
func testPlaces(gateways, loops int) (places []place) {
	for slot := range gateways {
		g := &owner.Gateway{Ref: cluster.Ref{ID: uint64(slot + 1)}, Slot: slot}
		for loop := range loops {
			places = append(places, place{g, uint16(loop)})
		}
	}
	return places
}

func TestDirectoryLikeItsModel(t *testing.T) {
	seeded(t, 20, func(t *testing.T, r *rand.Rand) {
		places := testPlaces(4, 3)
		d, m := newDirectory(), make(directoryModel)
		for range 2000 {
			key := wire.UserKey("user " + strconv.Itoa(r.IntN(20)))
			switch at := oneOf(r, places); r.IntN(40) {
			case 0: // a gateway dies
				gone := func(p place) bool { return p.gateway == at.gateway }
				forgetBoth(t, &d, m, gone)
			case 1: // a loop tells again
				forgetBoth(t, &d, m, func(p place) bool { return p == at })
			case 2:
				if u := d.users[key]; u != nil {
					d.drop(u)
					delete(m, key)
				}
			default:
				count := uint32(r.IntN(4))
				d.set(d.ensure(key), at, count)
				if m[key] == nil {
					m[key] = make(map[place]uint32)
				}
				if m[key][at] = count; count == 0 {
					delete(m[key], at)
				}
			}
			m.check(t, &d, places)
		}
		forgetBoth(t, &d, m, func(place) bool { return true })
		for key, u := range d.users {
			d.drop(u)
			delete(m, key)
		}
		m.check(t, &d, places)
		if len(d.users)+len(d.digests)+d.total != 0 {
			t.Errorf("left over when all are gone: %+v", d)
		}
	})
}

func forgetBoth(t *testing.T, d *directory, m directoryModel, gone func(place) bool) {
	t.Helper()
	var got []string
	for _, u := range d.forget(gone) {
		got = append(got, u.key)
	}
	want := m.forget(gone)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("forgetting touches %q, want %q", got, want)
	}
}

func TestDirectorySet(t *testing.T) {
	places := testPlaces(2, 2)
	a, b, c := places[0], places[1], places[2]
	type step struct {
		place
		count uint32
	}
	for _, tt := range []struct {
		name  string
		steps []step
		want  []spot
	}{
		{"nobody", nil, nil},
		{"none is no spot", []step{{place: a, count: 0}}, nil},
		{"one", []step{{place: a, count: 1}}, []spot{{place: a, count: 1}}},
		{"counts are absolute", []step{{place: a, count: 2}, {place: a, count: 5}, {place: a, count: 5}}, []spot{{place: a, count: 5}}},
		{"two loops of a gateway", []step{{place: a, count: 1}, {place: b, count: 2}}, []spot{{place: a, count: 1}, {place: b, count: 2}}},
		{"two gateways", []step{{place: a, count: 1}, {place: c, count: 2}}, []spot{{place: a, count: 1}, {place: c, count: 2}}},
		{"gone", []step{{place: a, count: 1}, {place: c, count: 2}, {place: a, count: 0}}, []spot{{place: c, count: 2}}},
		{"gone and back", []step{{place: a, count: 1}, {place: a, count: 0}, {place: a, count: 3}}, []spot{{place: a, count: 3}}},
		{"a large count", []step{{place: a, count: 1<<32 - 1}}, []spot{{place: a, count: 1<<32 - 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDirectory()
			u := d.ensure(wire.UserKey("alice"))
			if d.ensure(wire.UserKey("alice")) != u {
				t.Fatal("a user has two records")
			}
			connections := 0
			for _, s := range tt.steps {
				d.set(u, s.place, s.count)
			}
			for _, s := range tt.want {
				connections += int(s.count)
				if !u.has(s.place) || !d.agrees(s.place, wire.Digest{Users: 1, Sum: wire.DigestOf(u.hash(), s.count)}) {
					t.Errorf("is not at %v", s)
				}
			}
			if !slices.Equal(u.spots, tt.want) || u.connections() != connections || d.total != connections || len(d.digests) != len(tt.want) {
				t.Errorf("got %+v, %d connections of %d, %d digests; want %+v", u.spots, u.connections(), d.total, len(d.digests), tt.want)
			}
		})
	}
}

// A record outlives the batch that it came in.
func TestDirectoryCopiesKeys(t *testing.T) {
	d := newDirectory()
	batch := []byte(wire.UserKey("alice"))
	d.ensure(text(batch))
	copy(batch, "zzzzzz")
	if u := d.users[wire.UserKey("alice")]; u == nil || u.name() != "alice" {
		t.Errorf("got %v", d.users)
	}
}
