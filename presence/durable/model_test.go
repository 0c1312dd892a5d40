package durable

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

// A step is one change of a room that an owner was told of, or cannot know whether it took place.
type step struct {
	room   string
	kind   string // create, put, drop, delete, and load: what a room was at a revision
	before uint64 // the revision it was made at; of create: 0
	after  uint64 // 0: unknown
	user   string
	member Member
	all    map[string]Member // of create and load
}

// history collects the steps of all owners.
type history struct {
	mu      sync.Mutex
	steps   []step
	unsure  []step
	version atomic.Uint64
	counts  map[string]int
}

func (h *history) add(s step) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.steps = append(h.steps, s)
	h.counts[s.kind]++
}

func (h *history) doubt(s step) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsure = append(h.unsure, s)
	h.counts["unsure "+s.kind]++
}

func (h *history) count(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[what]++
}

// player is an owner that believes in its view: it changes rooms as it knows them, and loads what it lost.
type player struct {
	t     *testing.T
	rooms *Rooms
	rand  *rand.Rand
	h     *history
	known map[string]*Room
}

func (p *player) load(name string) {
	room, err := p.rooms.Load(p.t.Context(), name)
	switch {
	case err == nil:
		p.known[name] = room
		p.h.add(step{room: name, kind: "load", after: room.Revision, all: maps.Clone(room.Members)})
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrUnavailable):
		delete(p.known, name)
	default:
		p.t.Error(err)
	}
}

func (p *player) play(name string) {
	room := p.known[name]
	if room == nil {
		if p.load(name); p.known[name] == nil {
			p.create(name)
		}
		return
	}
	s := step{room: name, before: room.Revision, user: fmt.Sprint("u", p.rand.IntN(8))}
	var do func() (uint64, error)
	ctx := p.t.Context()
	switch n := p.rand.IntN(100); {
	case n < 60:
		s.kind, s.member = "put", Member{Joined: n%2 == 0, Version: p.h.version.Add(1)}
		do = func() (uint64, error) { return p.rooms.Put(ctx, name, s.before, s.user, s.member) }
	case n < 94:
		s.kind = "drop"
		do = func() (uint64, error) { return p.rooms.Drop(ctx, name, s.before, s.user) }
	case n < 97:
		s.kind = "delete"
		do = func() (uint64, error) { return 0, p.rooms.Delete(ctx, name, s.before) }
	default:
		p.load(name)
		return
	}
	var err error
	if s.after, err = p.until(do, s); err != nil {
		p.load(name)
		return
	}
	p.h.add(s)
	switch s.kind {
	case "put":
		room.Members[s.user] = s.member
	case "drop":
		delete(room.Members, s.user)
	case "delete":
		delete(p.known, name)
	}
	room.Revision = s.after
}

// until repeats what may have taken place; an end in conflict leaves it in doubt.
func (p *player) until(do func() (uint64, error), s step) (uint64, error) {
	for try := 0; ; try++ {
		after, err := do()
		switch {
		case err == nil:
			return after, nil
		case errors.Is(err, ErrUnavailable) && try < 100:
			p.h.count("unavailable")
			time.Sleep(20 * time.Millisecond)
			continue
		case errors.Is(err, ErrConflict), errors.Is(err, ErrExists):
			p.h.count("conflict")
		default:
			p.t.Error(err)
		}
		if try > 0 {
			p.h.doubt(s)
		}
		return 0, err
	}
}

func (p *player) create(name string) {
	room := Room{Name: name, Owner: "u0", CreatedAt: int64(p.h.version.Add(1)), Members: map[string]Member{}}
	for i := range p.rand.IntN(3) {
		room.Members[fmt.Sprint("u", i)] = Member{Version: p.h.version.Add(1)}
	}
	s := step{room: name, kind: "create", all: maps.Clone(room.Members)}
	var err error
	if s.after, err = p.until(func() (uint64, error) { err := p.rooms.Create(p.t.Context(), &room); return room.Revision, err }, s); err == nil {
		p.known[name] = &room
		p.h.add(s)
	}
}

// naive replays what the owners were told, in the order of the revisions, and compares every load.
type naive struct {
	t       *testing.T
	name    string
	created []step
	next    map[uint64]step // by the revision before
	deleted map[uint64]bool // by the revision before
	loaded  map[uint64]map[string]Member
	unsure  []step

	cur     uint64
	members map[string]Member // nil: no room
}

func (h *history) replay(t *testing.T, name string) *naive {
	n := &naive{t: t, name: name, next: map[uint64]step{}, deleted: map[uint64]bool{}, loaded: map[uint64]map[string]Member{}}
	for _, s := range h.unsure {
		if s.room == name {
			n.unsure = append(n.unsure, s)
		}
	}
	for _, s := range h.steps {
		if s.room != name {
			continue
		}
		switch s.kind {
		case "create":
			n.created = append(n.created, s)
		case "delete":
			n.deleted[s.before] = true
		case "load":
			if old, seen := n.loaded[s.after]; seen && !maps.Equal(old, s.all) {
				t.Errorf("%s at %d is %v, and %v", name, s.after, old, s.all)
			}
			n.loaded[s.after] = s.all
		default:
			if old, seen := n.next[s.before]; seen && (old.after != s.after || old.user != s.user || old.member != s.member) {
				t.Errorf("two owners won at %d: %+v and %+v", s.before, old, s)
			}
			n.next[s.before] = s
		}
	}
	slices.SortFunc(n.created, func(a, b step) int { return cmp.Compare(a.after, b.after) })
	for n.step() {
	}
	return n
}

// step goes on to the next revision that somebody knows of.
func (n *naive) step() bool {
	if all, seen := n.loaded[n.cur]; seen && n.members != nil && !maps.Equal(all, n.members) {
		n.t.Errorf("%s at %d was loaded as %v, want %v", n.name, n.cur, all, n.members)
	}
	s, changed := n.next[n.cur]
	switch {
	case n.members != nil && changed:
		n.members = s.applied(n.members)
		n.cur = s.after
		return true
	case n.members != nil && n.deleted[n.cur]:
		n.members = nil
		return true
	}
	load, found := n.known()
	switch {
	case n.members == nil && len(n.created) > 0 && (!found || n.created[0].after <= load):
		n.members, n.cur = maps.Clone(n.created[0].all), n.created[0].after
		n.created = n.created[1:]
		return true
	case n.members != nil && len(n.created) > 0 && (!found || n.created[0].after <= load):
		return n.lost()
	case !found:
		return false
	}
	if !n.explains(n.members, n.loaded[load], 3) {
		n.t.Errorf("%s went from %d %v to %d %v, and nobody did that", n.name, n.cur, n.members, load, n.loaded[load])
	}
	n.members, n.cur = maps.Clone(n.loaded[load]), load
	return true
}

// lost is the deletion before a creation, of which its owner was not told.
func (n *naive) lost() bool {
	if !n.explains(n.members, nil, 3) {
		n.t.Errorf("%s was created over %d", n.name, n.cur)
	}
	n.members = nil
	return true
}

// known is the next revision that was loaded.
func (n *naive) known() (revision uint64, found bool) {
	for r := range n.loaded {
		if r > n.cur && (!found || r < revision) {
			revision, found = r, true
		}
	}
	return revision, found
}

// explains tells whether steps in doubt lead from one state to another.
func (n *naive) explains(from, to map[string]Member, depth int) bool {
	if (from == nil) == (to == nil) && maps.Equal(from, to) {
		return true
	}
	return depth > 0 && slices.ContainsFunc(n.unsure, func(s step) bool {
		if (from == nil) != (s.kind == "create") {
			return false
		}
		return n.explains(s.applied(from), to, depth-1)
	})
}

func (s step) applied(members map[string]Member) map[string]Member {
	members = maps.Clone(members)
	switch s.kind {
	case "create":
		return maps.Clone(s.all)
	case "put":
		members[s.user] = s.member
	case "drop":
		delete(members, s.user)
	case "delete":
		return nil
	}
	return members
}

// play lets owners change rooms until each has done turns and meanwhile is over, and compares what is there
// then.
func play(t *testing.T, turns int, rooms []*Rooms, meanwhile func()) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := &history{counts: map[string]int{}}
	names := []string{"a", "b", "a.b"}
	var over atomic.Bool
	var wg sync.WaitGroup
	for i, r := range rooms {
		p := &player{t: t, rooms: r, rand: rand.New(rand.NewPCG(seed, uint64(i))), h: h, known: map[string]*Room{}}
		wg.Go(func() {
			for n := 0; n < turns || !over.Load(); n++ {
				p.play(names[p.rand.IntN(len(names))])
			}
		})
	}
	meanwhile()
	over.Store(true)
	wg.Wait()
	t.Log(h.counts)
	for _, name := range names {
		last, err := rooms[0].Load(t.Context(), name)
		if err == nil {
			h.add(step{room: name, kind: "load", after: last.Revision, all: last.Members})
		} else if !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		n := h.replay(t, name)
		switch {
		case err == nil && (n.cur != last.Revision || !maps.Equal(n.members, last.Members)):
			t.Errorf("%s is %d %v, want %d %v", name, last.Revision, last.Members, n.cur, n.members)
		case err != nil && !n.explains(n.members, nil, 2):
			t.Errorf("%s is not there, want %d %v", name, n.cur, n.members)
		}
		if len(n.created) > 0 {
			t.Errorf("%s: %d creations are left", name, len(n.created))
		}
	}
	for _, must := range []string{"put", "drop", "delete", "create", "load", "conflict"} {
		if h.counts[must] == 0 {
			t.Errorf("no %s at all", must)
		}
	}
}

// TestModel: two owners of the same rooms, as during a change of views.
func TestModel(t *testing.T) {
	nc, _ := streamtest.Embedded(t)
	play(t, 2000, []*Rooms{on(t, nc), on(t, nc)}, func() {})
}

// TestModelCluster loses the bucket's leader meanwhile, and another server once the first is back.
func TestModelCluster(t *testing.T) {
	c := streamtest.Start(t, 3)
	rooms := []*Rooms{clustered(t, c), clustered(t, c)}
	for _, r := range rooms {
		r.timeout = 500 * time.Millisecond
	}
	play(t, 3000, rooms, func() {
		for range 2 {
			time.Sleep(700 * time.Millisecond)
			var i int
			streamtest.Eventually(t, 10*time.Second, "a leader of the bucket", func() bool { i = c.Leader(stream); return i >= 0 })
			c.Stop(i)
			time.Sleep(700 * time.Millisecond)
			c.Restart(t, i)
			streamtest.Eventually(t, 20*time.Second, "its return", func() bool { return c.Running(i).JetStreamIsCurrent() })
		}
	})
}
