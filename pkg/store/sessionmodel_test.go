package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// modelRecord is a session as simple as it can be written.
type modelRecord struct {
	holder, state string
	since         int // step of the beginning or taking; 0: not known
}

// modelNote is a note that waits at a gateway.
type modelNote struct {
	holder, state string
	begun         int // step; 0: it did not begin
	touch, ended  bool
}

// testSessionModel compares random operations of several gateways with the model. Each connection, a holder, keeps
// to the rules: it begins or takes a session, notes, ends, and says nothing after it has heard that it lost it.
func testSessionModel(t *testing.T, s opened) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	type connection struct {
		gateway int
		holder  string
	}
	const gateways, ids, steps = 3, 2, 400
	var (
		all     []*gateway
		records = make([]*modelRecord, ids)
		waiting [gateways][ids][]modelNote
		open    [ids][]connection
		name    = func(id int) string { return fmt.Sprint("model", seed, "-", id) }
	)
	for range gateways {
		all = append(all, newGateway(s, time.Hour))
	}
	put := func(g, id int, n modelNote) {
		list := waiting[g][id]
		i := slices.IndexFunc(list, func(w modelNote) bool { return w.holder == n.holder })
		if i < 0 {
			waiting[g][id] = append(list, n)
			return
		}
		n.touch = n.touch && list[i].touch
		n.begun = max(n.begun, list[i].begun)
		list[i] = n
	}
	// flush writes what waits of a session at a gateway, and returns who lost it.
	flush := func(g, id int) (lost []string) {
		for notes := waiting[g][id]; len(notes) > 0; notes = notes[1:] {
			n, r := notes[0], records[id]
			switch {
			case r == nil && n.touch: // comes again, with its state, after the others
				n.touch = false
				notes = append(notes[:len(notes):len(notes)], n)
				continue
			case r != nil && r.holder != n.holder && (n.begun == 0 || r.since > n.begun):
				lost = append(lost, name(id)+"/"+n.holder)
				continue
			case r == nil:
				r = &modelRecord{}
			}
			if r.holder = n.holder; n.ended {
				r.holder = ""
			}
			if n.begun > 0 {
				r.since = n.begun
			}
			if !n.touch {
				r.state = n.state
			}
			records[id] = r
		}
		waiting[g][id] = nil
		return lost
	}
	forget := func(id int, lost []string) {
		open[id] = slices.DeleteFunc(open[id], func(c connection) bool { return slices.Contains(lost, name(id)+"/"+c.holder) })
	}
	var untold [gateways][]string // lost, and not heard of yet
	newest := make(map[string]string)
	for step := 1; step <= steps; step++ {
		g, id := random.IntN(gateways), random.IntN(ids)
		holder := fmt.Sprint("h", step)
		state := fmt.Sprint("s", step)
		doing := ""
		switch op := random.IntN(10); {
		case op == 0: // a new connection begins the session
			doing = "begin"
			time.Sleep(20 * time.Millisecond) // later than all before, as Redis sees it, too
			all[g].Note(session(name(id), holder, state), true)
			put(g, id, modelNote{holder: holder, state: state, begun: step})
			open[id] = append(open[id], connection{g, holder})
			newest[holder] = state
		case op == 1: // or takes it
			doing = "take"
			time.Sleep(20 * time.Millisecond)
			untold[g] = append(untold[g], flush(g, id)...)
			got, err := all[g].Take(t.Context(), name(id), name(id), holder)
			r := records[id]
			if r == nil {
				if !errors.Is(err, ErrNoSession) {
					t.Fatalf("step %d: took %+v, %v, want none", step, got, err)
				}
				break
			}
			if err != nil || got.Holder != r.holder || string(got.State) != r.state {
				t.Fatalf("step %d: took %+v, %v, want %+v", step, got, err, *r)
			}
			r.holder, r.since = holder, step
			open[id] = append(open[id], connection{g, holder})
			newest[holder] = r.state
		case op == 2: // Redis loses it
			doing = "loss"
			s.lose(t, name(id))
			records[id] = nil
		case op <= 4: // Run
			doing = "run"
			all[g].write(t)
			heard := strings.Fields(all[g].hears())
			want := untold[g]
			for i := range ids {
				want = append(want, flush(g, i)...)
			}
			untold[g] = nil
			slices.Sort(heard)
			slices.Sort(want)
			if !slices.Equal(heard, want) {
				t.Fatalf("step %d: %v lost, want %v", step, heard, want)
			}
			for i := range ids {
				forget(i, heard)
			}
		case len(open[id]) > 0: // an open connection notes
			i := random.IntN(len(open[id]))
			c := open[id][i]
			n := modelNote{holder: c.holder, state: state}
			switch random.IntN(4) {
			case 0:
				doing = "end"
				n.ended = true
				all[c.gateway].End(session(name(id), c.holder, state))
				open[id] = slices.Delete(open[id], i, i+1)
			case 1:
				doing = "touch"
				n.touch, n.state = true, newest[c.holder]
				all[c.gateway].Touch(session(name(id), c.holder, n.state))
			default:
				doing = "note"
				all[c.gateway].Note(session(name(id), c.holder, state), false)
			}
			newest[c.holder] = n.state
			put(c.gateway, id, n)
		}
		for id, r := range records {
			got := s.record(t, name(id))
			if (r == nil) != (got == nil) || r != nil && (got.holder != r.holder || got.state != r.state) {
				t.Fatalf("step %d, %s: record %d is %v, want %+v", step, doing, id, got, r)
			}
		}
	}
}

// testSessionConcurrent has connections on several gateways take one session from each other, and note as fast as
// they can: each gets a state that the one before it noted, and only one is left.
func testSessionConcurrent(t *testing.T, s opened) {
	const gateways, each = 3, 40
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		taken = make(map[string]string) // guarded by mu: who by whom
	)
	first := newGateway(s, time.Hour)
	first.Note(session("concurrent", "first", "first 0"), true)
	first.write(t)
	var run []*gateway
	for i := range gateways {
		g := newGateway(s, time.Hour)
		g.run(t)
		run = append(run, g)
		all.Go(func() {
			for j := range each {
				holder := fmt.Sprintf("%d-%d", i, j)
				got, err := g.Take(t.Context(), "concurrent", "concurrent", holder)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if by := taken[got.Holder]; by != "" {
					t.Errorf("both %s and %s took it from %s", by, holder, got.Holder)
				}
				taken[got.Holder] = holder
				mu.Unlock()
				// The state is of the former holder, or of one before it where that one noted nothing in time; never
				// one that it had replaced.
				var of string
				var n int
				if _, err := fmt.Sscan(string(got.State), &of, &n); err != nil {
					t.Errorf("state %q", got.State)
				}
				for n := range 5 {
					g.Note(session("concurrent", holder, fmt.Sprint(holder, " ", n+1)), false)
					if n%2 == 0 {
						if err := g.Flush(t.Context(), "concurrent", "concurrent"); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	all.Wait()
	last := newGateway(s, time.Hour)
	for _, g := range run {
		eventually(t, 2*time.Second, "all is written", func() bool { return g.waits() == 0 })
	}
	got, err := last.Take(t.Context(), "concurrent", "concurrent", "last")
	if err != nil || !strings.HasPrefix(string(got.State), got.Holder+" ") || !strings.HasSuffix(string(got.State), " 5") {
		t.Errorf("at the end, %s has %q, %v", got.Holder, got.State, err)
	}
	if len(taken) != gateways*each {
		t.Errorf("%d were taken from, want %d", len(taken), gateways*each)
	}
	for _, g := range run {
		for _, l := range strings.Fields(g.hears()) {
			if l == "concurrent/"+got.Holder {
				t.Errorf("%s has the session and was told that it lost it", got.Holder)
			}
		}
	}
}
