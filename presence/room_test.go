package presence

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// testRoom is a room with an owner, two members and one who is invited.
func testRoom(change func(*room)) *room {
	r := &room{key: wire.RoomKey("r"), owner: "olga"}
	r.set("olga", member{joined: true, version: 1})
	r.set("mia", member{joined: true, version: 2})
	r.set("max", member{joined: true, version: 3})
	r.set("ina", member{version: 4})
	if change != nil {
		change(r)
	}
	return r
}

func private(r *room) { r.private = true }

func TestRoomDecides(t *testing.T) {
	const most = 10
	join := func(user string, most int) func(*room) *refusal {
		return func(r *room) *refusal { return r.mayJoin(user, most) }
	}
	add := func(by, user string, most int) func(*room) *refusal {
		return func(r *room) *refusal { return r.mayAdd(by, user, most) }
	}
	remove := func(by, user string) func(*room) *refusal {
		return func(r *room) *refusal { return r.mayRemove(by, user) }
	}
	left := func(user string) func(*room) {
		return func(r *room) { private(r); r.remove(user, 5, true) }
	}
	full := func(r *room) { r.capacity = 3 }
	for _, tt := range []struct {
		name   string
		change func(*room)
		ask    func(*room) *refusal
		code   int
	}{
		{"join", nil, join("new", most), 0},
		{"join again", nil, join("mia", most), 0},
		{"join, full by capacity", full, join("new", most), protocol.CodeConflict},
		{"join, full by the setting", nil, join("new", 3), protocol.CodeConflict},
		{"join, full, invited", full, join("ina", most), protocol.CodeConflict},
		{"join again, full", full, join("mia", most), 0},
		{"join, room for one more", func(r *room) { r.capacity = 4 }, join("new", most), 0},
		{"join, the setting counts when it is less", func(r *room) { r.capacity = 100 }, join("new", 3), protocol.CodeConflict},
		{"join private", private, join("new", most), protocol.CodeForbidden},
		{"join private, invited", private, join("ina", most), 0},
		{"join private again", private, join("mia", most), 0},
		{"join private and full", func(r *room) { private(r); full(r) }, join("new", most), protocol.CodeForbidden},
		{"join private, who left", left("mia"), join("mia", most), 0},
		{"join private, who was removed", func(r *room) { private(r); r.remove("mia", 5, false) }, join("mia", most), protocol.CodeForbidden},
		{"join private, the owner who left", left("olga"), join("olga", most), 0},
		{"join private, the owner whom nobody invited", func(r *room) { private(r); r.remove("olga", 5, false) }, join("olga", most), 0},
		{"join as nobody", private, join("", most), protocol.CodeForbidden},

		{"add", nil, add("olga", "new", most), 0},
		{"add to a private one", private, add("olga", "new", most), 0},
		{"add again", nil, add("olga", "mia", most), 0},
		{"add again, full", full, add("olga", "mia", most), 0},
		{"add, full", full, add("olga", "new", most), protocol.CodeConflict},
		{"add, full, invited", full, add("olga", "ina", most), protocol.CodeConflict},
		{"add by a member", nil, add("mia", "new", most), protocol.CodeForbidden},
		{"add by a stranger", nil, add("new", "new", most), protocol.CodeForbidden},

		{"remove", nil, remove("olga", "mia"), 0},
		{"remove oneself", nil, remove("olga", "olga"), 0},
		{"remove an invited one", nil, remove("olga", "ina"), 0},
		{"remove a stranger", nil, remove("olga", "new"), protocol.CodeNotFound},
		{"remove by a member", nil, remove("mia", "max"), protocol.CodeForbidden},
		{"remove oneself by a member", nil, remove("mia", "mia"), protocol.CodeForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := 0
			no := tt.ask(testRoom(tt.change))
			if no != nil {
				if got = no.code; no.message == "" {
					t.Error("no word to the client")
				}
			}
			if got != tt.code {
				t.Errorf("code %d, want %d", got, tt.code)
			}
		})
	}
}

func TestRoomLimit(t *testing.T) {
	for _, tt := range []struct{ capacity, most, want int }{{0, 10, 10}, {5, 10, 5}, {10, 10, 10}, {20, 10, 10}, {1, 1, 1}} {
		if got := (&room{capacity: tt.capacity}).limit(tt.most); got != tt.want {
			t.Errorf("capacity %d, at most %d: %d, want %d", tt.capacity, tt.most, got, tt.want)
		}
	}
}

// Versions grow, whatever the clock does.
func TestRoomNext(t *testing.T) {
	now := time.UnixMilli(1_763_856_000_000)
	r := &room{version: 3}
	last := uint64(0)
	for _, at := range []time.Time{now, now, now.Add(-time.Hour), now.Add(time.Second), now} {
		if got := r.next(at); got <= last || got < uint64(now.UnixMicro()) {
			t.Errorf("version %d after %d", got, last)
		} else {
			last = got
		}
	}
	if last < uint64(now.Add(time.Second).UnixMicro()) {
		t.Errorf("the clock is ahead of version %d", last)
	}
	r.set("far", member{version: 1 << 63})
	if r.next(now) <= 1<<63 {
		t.Error("a version below that of a member")
	}
}

func TestRoomRemove(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		change                func(*room)
		user                  string
		stay                  bool
		known, joined         bool
		wantCount, wantInvite int
	}{
		{"leave", nil, "mia", true, false, false, 2, 1},
		{"leave a private one", private, "mia", true, true, false, 2, 2},
		{"removed", nil, "mia", false, false, false, 2, 1},
		{"removed from a private one", private, "mia", false, false, false, 2, 1},
		{"an invitation", private, "ina", false, false, false, 3, 0},
		{"a stranger", private, "new", true, false, false, 3, 1},
		{"too many invited", func(r *room) {
			private(r)
			for i := range maxInvited - 1 {
				r.set("i"+strconv.Itoa(i), member{version: 4})
			}
		}, "mia", true, false, false, 2, maxInvited},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := testRoom(tt.change)
			before := r.version
			r.remove(tt.user, 9, tt.stay)
			m, known := r.members.Get(tt.user)
			if known != tt.known || m.joined || r.count != tt.wantCount || r.invited != tt.wantInvite {
				t.Errorf("known %v, %+v, %d members, %d invited; want %+v", known, m, r.count, r.invited, tt)
			}
			if want := uint64(9); tt.user != "new" && r.version != want || tt.user == "new" && r.version != before {
				t.Errorf("version %d", r.version)
			}
		})
	}
}

// roomModel is a room's members as simply as can be said.
type roomModel map[string]member

func (m roomModel) check(t *testing.T, r *room) {
	t.Helper()
	count, invited := 0, 0
	for user, want := range m {
		if got, known := r.members.Get(user); !known || got != want {
			t.Fatalf("%s is %+v (%v), want %+v", user, got, known, want)
		}
		if r.isMember(user) != want.joined {
			t.Fatalf("%s a member: %v", user, !want.joined)
		}
		if want.joined {
			count++
		} else {
			invited++
		}
		if r.version < want.version {
			t.Fatalf("version %d, that of a member is %d", r.version, want.version)
		}
	}
	if r.count != count || r.invited != invited || r.members.Len() != len(m) {
		t.Fatalf("%d members, %d invited, %d in all, want %d, %d, %d", r.count, r.invited, r.members.Len(), count, invited, len(m))
	}
}

func (m roomModel) joined() []string {
	var names []string
	for user, x := range m {
		if x.joined {
			names = append(names, user)
		}
	}
	return slices.Sorted(slices.Values(names))
}

func TestRoomLikeItsModel(t *testing.T) {
	now := time.UnixMilli(1_763_856_000_000)
	seeded(t, 20, func(t *testing.T, rnd *rand.Rand) {
		r := &room{key: wire.RoomKey("r"), owner: "u0", private: rnd.IntN(2) == 0}
		m := make(roomModel)
		for i := range 3000 {
			user := "u" + strconv.Itoa(rnd.IntN(60))
			switch rnd.IntN(5) {
			case 0, 1:
				x := member{joined: rnd.IntN(3) > 0, version: r.next(now)}
				r.set(user, x)
				m[user] = x
			case 2:
				stay := rnd.IntN(2) == 0
				version := r.next(now)
				r.remove(user, version, stay)
				if _, known := m[user]; !known {
					break
				}
				if delete(m, user); stay && r.private {
					m[user] = member{version: version}
				}
			case 3: // pages
				var got []string
				after, limit := "", 1+rnd.IntN(10)
				for {
					names, next := r.page(after, limit)
					if len(names) > limit || next != "" && len(names) != limit {
						t.Fatalf("a page of %d, at most %d, next %q", len(names), limit, next)
					}
					if got = append(got, names...); next == "" {
						break
					}
					after = next
				}
				if want := m.joined(); !slices.Equal(got, want) {
					t.Fatalf("pages of %d: %q, want %q", limit, got, want)
				}
			case 4: // what is decided
				_, known := m[user]
				most := rnd.IntN(60)
				want := m[user].joined || len(m.joined()) < most && (!r.private || known || user == r.owner)
				if got := r.mayJoin(user, most) == nil; got != want {
					t.Fatalf("%s may join: %v, want %v", user, got, want)
				}
			}
			if i%10 == 0 {
				m.check(t, r)
			}
		}
		m.check(t, r)
	})
}

// Whoever stays while a client turns the pages is on exactly one of them, and the order is that of the names.
func TestRoomPagesWhileItChanges(t *testing.T) {
	seeded(t, 50, func(t *testing.T, rnd *rand.Rand) {
		r := &room{key: wire.RoomKey("r"), private: rnd.IntN(2) == 0}
		stays := make(map[string]bool)
		for i := range 100 {
			user := fmt.Sprintf("u%03d", i)
			if rnd.IntN(2) == 0 {
				r.set(user, member{joined: true, version: 1})
				stays[user] = true
			}
		}
		var got []string
		after := ""
		for {
			names, next := r.page(after, 1+rnd.IntN(12))
			if got = append(got, names...); next == "" {
				break
			}
			after = next
			for range 20 {
				user := fmt.Sprintf("u%03d", rnd.IntN(100))
				if r.isMember(user) {
					r.remove(user, 2, rnd.IntN(2) == 0)
				} else {
					r.set(user, member{joined: true, version: 2})
				}
				delete(stays, user)
			}
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("not in order, or twice: %q", got)
		}
		for user := range stays {
			if !slices.Contains(got, user) {
				t.Errorf("%s stays, and is on no page", user)
			}
		}
	})
}

func TestRoomPage(t *testing.T) {
	r := testRoom(nil) // ina is only invited
	for _, tt := range []struct {
		after string
		limit int
		names []string
		next  string
	}{
		{"", 10, []string{"max", "mia", "olga"}, ""},
		{"", 3, []string{"max", "mia", "olga"}, ""},
		{"", 2, []string{"max", "mia"}, "mia"},
		{"mia", 2, []string{"olga"}, ""},
		{"max", 1, []string{"mia"}, "mia"},
		{"mb", 1, []string{"mia"}, "mia"},
		{"olga", 5, nil, ""},
		{"z", 5, nil, ""},
	} {
		names, next := r.page(tt.after, tt.limit)
		if !slices.Equal(names, tt.names) || next != tt.next {
			t.Errorf("%d behind %q: %q, next %q; want %q, %q", tt.limit, tt.after, names, next, tt.names, tt.next)
		}
	}
}

func TestRoomDescribe(t *testing.T) {
	r := testRoom(func(r *room) { r.private, r.durable, r.capacity, r.metadata = true, true, 9, `{"a":1}` })
	d := r.describe()
	if d.Room != "r" || d.Owner != "olga" || !d.Private || !d.Durable || d.Capacity != 9 || d.Count != 3 || string(d.Metadata) != `{"a":1}` {
		t.Errorf("got %+v", d)
	}
	if d := testRoom(nil).describe(); d.Metadata != nil {
		t.Errorf("metadata %q, want none", d.Metadata)
	}
}

// Who comes and goes at once has not been there; whoever else came or went is named, up to a bound.
func TestRoomEventsLikeTheirModel(t *testing.T) {
	start := time.UnixMilli(1_763_856_000_000)
	seeded(t, 30, func(t *testing.T, rnd *rand.Rand) {
		users := eventsMost / 2 // fewer than are named: nothing is left out
		if rnd.IntN(2) == 0 {
			users = 4 * eventsMost
		}
		inside := make(map[string]bool)
		for i := range users / 2 {
			inside["u"+strconv.Itoa(i)] = true
		}
		before := maps.Clone(inside)
		var e roomEvents
		for i := range 1000 {
			user := "u" + strconv.Itoa(rnd.IntN(users))
			inside[user] = !inside[user]
			now := start.Add(time.Duration(i) * time.Millisecond)
			if first := e.gather(user, inside[user], now); first != (i == 0) {
				t.Fatalf("event %d: first %v", i, first)
			}
			if !e.since.Equal(start) {
				t.Fatalf("gathered since %v, want the first", e.since)
			}
			if len(e.joined) > eventsMost || len(e.left) > eventsMost {
				t.Fatalf("%d joined and %d left are named, at most %d", len(e.joined), len(e.left), eventsMost)
			}
		}
		if users > eventsMost {
			return
		}
		var joined, left []string
		for user := range inside {
			switch {
			case inside[user] && !before[user]:
				joined = append(joined, user)
			case !inside[user] && before[user]:
				left = append(left, user)
			}
		}
		slices.Sort(e.joined)
		slices.Sort(e.left)
		slices.Sort(joined)
		slices.Sort(left)
		if !slices.Equal(e.joined, joined) || !slices.Equal(e.left, left) {
			t.Errorf("joined %q, left %q; want %q, %q", e.joined, e.left, joined, left)
		}
	})
}

func TestRoomEventsBound(t *testing.T) {
	var e roomEvents
	for i := range eventsMost + 5 {
		e.gather("u"+strconv.Itoa(i), true, time.UnixMilli(1))
	}
	if len(e.joined) != eventsMost || e.joined[0] != "u0" || len(e.left) != 0 {
		t.Errorf("%d joined, the first %s; %d left", len(e.joined), e.joined[0], len(e.left))
	}
	e.gather("u0", false, time.UnixMilli(2))
	if len(e.joined) != eventsMost-1 || len(e.left) != 0 {
		t.Errorf("%d joined, %d left, after one is gone again", len(e.joined), len(e.left))
	}
}

// The larger a room, the longer its events are gathered.
func TestRoomWait(t *testing.T) {
	last := time.Duration(0)
	for count := 0; count < 1_000_000; count = count*2 + 1 {
		wait := (&room{count: count}).wait()
		if wait < last || wait < 250*time.Millisecond || wait > 10*time.Second {
			t.Errorf("%d members: %v, after %v for fewer", count, wait, last)
		}
		last = wait
	}
	if last != 10*time.Second {
		t.Errorf("%v for the largest", last)
	}
}
