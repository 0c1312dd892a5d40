package shelf

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// ask is a Query's answer: the offsets, and whether it is complete.
func (r *rig) ask(key string, since, until *protocol.Position, limit int, reverse bool) (list []uint64, complete bool) {
	r.Helper()
	var found *Found
	r.Query(key, r.rule, &protocol.History{Since: since, Until: until, Limit: limit, Reverse: reverse}, func(f Found) { found = &f })
	r.settle()
	if found == nil || found.Code != 0 {
		r.Fatalf("answered %+v", found)
	}
	for _, p := range found.List {
		if want := fmt.Sprintf("%s %d %d", key, p.Offset, p.Offset); string(p.Frame) != want {
			r.Fatalf("got %q, want %q", p.Frame, want)
		}
		list = append(list, p.Offset)
	}
	return list, found.Complete
}

// A page is what the contract says, whatever is asked for, whether it is remembered or read.
func TestQuery(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		top, size, gone int
		memory          bool
	}{
		{0, 10, 0, true}, {1, 10, 0, true}, {8, 10, 0, true}, {8, 10, 0, false}, {30, 10, 0, true}, {30, 10, 0, false},
		{30, 100, 12, false}, {30, 100, 12, true}, {30, 100, 30, false}, {30, 100, 29, false},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			r := newRig(t, history.Rule{Size: c.size, Age: time.Hour})
			r.publish("other", 1, 3)
			r.publish("a", 1, c.gone)
			if c.gone > 0 { // they get too old, in the store, and in memory
				r.now = r.now.Add(50 * time.Minute)
			}
			r.publish("a", c.gone+1, c.top)
			if c.gone > 0 {
				r.now = r.now.Add(20 * time.Minute)
				if c.gone == c.top {
					r.store.Expire(r.now.Add(-time.Hour))
				}
			}
			if !c.memory {
				r.now = r.now.Add(2 * time.Minute)
				epoch := r.top("a").Epoch
				if r.forgetful(); c.gone == c.top {
					epoch = r.top("a").Epoch
				}
				if r.top("a").Epoch != epoch {
					t.Fatal("the numbering is another")
				}
			}
			top := r.top("a")
			newest, first := int(top.Offset), max(c.gone, c.top-c.size)+1
			for range 400 {
				since, until := -1, -1
				var s, u *protocol.Position
				if random.IntN(2) == 0 {
					since = random.IntN(newest + 3)
					s = &protocol.Position{Offset: uint64(since), Epoch: top.Epoch.String()}
				}
				if random.IntN(2) == 0 {
					until = random.IntN(newest + 3)
					u = &protocol.Position{Offset: uint64(until), Epoch: top.Epoch.String()}
				}
				limit, reverse := 1+random.IntN(newest+5), random.IntN(2) == 0

				var all []uint64 // what is between the bounds
				lost := false
				for n := 1; n <= newest; n++ {
					switch {
					case since >= 0 && n <= since, until >= 0 && n >= until:
					case n < first:
						lost = lost || since >= 0
					default:
						all = append(all, uint64(n))
					}
				}
				want := all
				if reverse {
					want = slices.Clone(all)
					slices.Reverse(want)
				}
				want = want[:min(len(want), limit)]
				complete := !lost && len(want) == len(all)
				got, whole := r.ask("a", s, u, limit, reverse)
				if reverse && since < 0 && len(got) == limit && first > max(1, newest-c.size+1) {
					whole = complete // whether what comes before is still kept was not looked for
				}
				if !slices.Equal(got, want) || whole != complete {
					t.Fatalf("since %d, until %d, limit %d, reverse %v: %v, complete %v, want %v, %v (kept from %d to %d)",
						since, until, limit, reverse, got, whole, want, complete, first, newest)
				}
			}
		})
	}
}

// A bound of another numbering is void: the page is as without it, and not complete.
func TestQueryOfAnotherEpoch(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	r.publish("a", 1, 5)
	void := &protocol.Position{Offset: 3, Epoch: "abc"}
	none := &protocol.Position{Epoch: history.Unborn(r.now).String()}
	for _, c := range []struct {
		since, until *protocol.Position
		complete     bool
	}{{void, nil, false}, {nil, void, false}, {void, void, false}, {none, nil, true}, {nil, none, false}} {
		if list, complete := r.ask("a", c.since, c.until, 100, false); len(list) != 5 || complete != c.complete {
			t.Errorf("since %v, until %v: %v, complete %v", c.since, c.until, list, complete)
		}
	}
}

// A page of large messages has fewer, but one at least.
func TestQueryOfLargeMessages(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	for i := range 4 {
		r.Publish("a", r.rule, item(fmt.Sprint(i), string(make([]byte, queryBytes/2))))
		r.settle()
	}
	for _, reverse := range []bool{false, true} {
		var found Found
		r.Query("a", r.rule, &protocol.History{Limit: 100, Reverse: reverse}, func(f Found) { found = f })
		if first := found.List[0].Offset; len(found.List) != 1 || found.Complete || first != 1 && !reverse || first != 4 && reverse {
			t.Errorf("reverse %v: %d messages from %d, complete %v", reverse, len(found.List), first, found.Complete)
		}
	}
}

func TestQueryWhileTheStoreIsAway(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	r.publish("a", 1, 5)
	r.forgetful()
	r.store.SetAway(true)
	code := -1
	r.Query("a", r.rule, &protocol.History{Limit: 100}, func(f Found) { code = f.Code })
	if r.pass(patience + time.Second); code != protocol.CodeUnavailable {
		t.Errorf("answered %d", code)
	}
}
