package durable

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// want loads a room and compares it, but for the revision, which it returns.
func want(t *testing.T, r *Rooms, room Room) uint64 {
	t.Helper()
	got, err := r.Load(t.Context(), room.Name)
	if err != nil {
		t.Fatalf("load %q: %v", room.Name, err)
	}
	revision := got.Revision
	if revision == 0 {
		t.Errorf("room %q without a revision", room.Name)
	}
	got.Revision, room.Revision = 0, 0
	if len(room.Members) == 0 {
		room.Members = map[string]Member{}
	}
	if !reflect.DeepEqual(*got, room) {
		t.Fatalf("room\n got %+v\nwant %+v", *got, room)
	}
	return revision
}

func wantError(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want %v", err, target)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sample(name string) Room {
	return Room{
		Name: name, Owner: "alice", Private: true, Capacity: 7, Metadata: []byte(`{"topic":"x"}`), CreatedAt: 1700000000000,
		Members: map[string]Member{"alice": {Joined: true, Version: 1}, "bob": {Version: 2}},
	}
}

func TestLife(t *testing.T) {
	r, ctx := single(t), t.Context()
	_, err := r.Load(ctx, "lobby")
	wantError(t, err, ErrNotFound)

	room := sample("lobby")
	ok(t, r.Create(ctx, &room))
	if rev := want(t, r, room); rev != room.Revision {
		t.Errorf("created at revision %d, loaded at %d", room.Revision, rev)
	}

	rev, err := r.Put(ctx, "lobby", room.Revision, "carol", Member{Joined: true, Version: 3})
	ok(t, err)
	room.Members["carol"] = Member{Joined: true, Version: 3}
	if got := want(t, r, room); got != rev {
		t.Errorf("put at revision %d, loaded at %d", rev, got)
	}
	rev, err = r.Put(ctx, "lobby", rev, "bob", Member{Joined: true, Version: 4})
	ok(t, err)
	room.Members["bob"] = Member{Joined: true, Version: 4}
	want(t, r, room)
	for range 2 { // the second time he is not in it
		rev, err = r.Drop(ctx, "lobby", rev, "bob")
		ok(t, err)
		delete(room.Members, "bob")
		want(t, r, room)
	}
	rev, err = r.Put(ctx, "lobby", rev, "bob", Member{Version: 5})
	ok(t, err)
	room.Members["bob"] = Member{Version: 5}
	want(t, r, room)

	ok(t, r.Delete(ctx, "lobby", rev))
	_, err = r.Load(ctx, "lobby")
	wantError(t, err, ErrNotFound)
	_, err = r.Put(ctx, "lobby", rev, "dave", Member{})
	wantError(t, err, ErrConflict)

	again := Room{Name: "lobby", Owner: "dave", CreatedAt: 5}
	ok(t, r.Create(ctx, &again))
	want(t, r, again)
}

// TestKeys: a room that is gone leaves nothing but a marker that vanishes.
func TestKeys(t *testing.T) {
	r, ctx := single(t), t.Context()
	room, other := sample("a"), sample("a.b")
	ok(t, r.Create(ctx, &room))
	ok(t, r.Create(ctx, &other))
	rev, err := r.Drop(ctx, "a", room.Revision, "bob")
	ok(t, err)
	if got, want := keys(t, r), []string{"r.a.h", "r.a.m.alice", "r.a.m.bob-", "r.a.p", "r.a=2eb.h", "r.a=2eb.m.alice", "r.a=2eb.m.bob", "r.a=2eb.p"}; !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	ok(t, r.Delete(ctx, "a", rev))
	ok(t, r.Delete(ctx, "a.b", other.Revision))
	if got, want := keys(t, r), []string{"r.a.h-", "r.a=2eb.h-"}; !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	msg, err := r.opener.Stream().GetLastMsgForSubject(ctx, roomSubject("a")+headTail)
	ok(t, err)
	if got := msg.Header.Get(jetstream.MsgTTLHeader); got != markerTTL.String() {
		t.Errorf("the marker's TTL is %q", got)
	}
	// A tool for buckets reads it as one.
	kv, err := r.js.KeyValue(ctx, bucket)
	ok(t, err)
	_, err = kv.Get(ctx, "r.a.h")
	wantError(t, err, jetstream.ErrKeyNotFound)
}

// TestMarkersVanish: with a shorter time than they have.
func TestMarkersVanish(t *testing.T) {
	r := single(t)
	ready(t, r)
	at := userSubject("somebody")
	_, err := r.publish(t.Context(), &nats.Msg{Subject: at, Header: nats.Header{operation: {deletion}}}, time.Second, at, 1)
	ok(t, err)
	if got := keys(t, r); !slices.Equal(got, []string{"u.somebody-"}) {
		t.Errorf("keys %q", got)
	}
	streamtest.Eventually(t, 10*time.Second, "an empty bucket", func() bool { return len(keys(t, r)) == 0 })
}

// keys lists what is stored; a deletion marker has a - behind it.
func keys(t *testing.T, r *Rooms) []string {
	t.Helper()
	m := newImage()
	left, err := r.batch(t.Context(), subject, m, jsstream.Query{Last: []string{subject + ">"}, Batch: jsstream.MaxLast})
	if err != nil || left > 0 {
		t.Fatal(left, err)
	}
	var all []string
	for tail, s := range m.keys {
		if s.removed {
			tail += "-"
		}
		all = append(all, tail)
	}
	slices.Sort(all)
	return all
}

func TestConflict(t *testing.T) {
	r, ctx := single(t), t.Context()
	room := sample("r")
	ok(t, r.Create(ctx, &room))
	old := room.Revision
	rev, err := r.Put(ctx, "r", old, "carol", Member{Version: 1})
	ok(t, err)

	other := sample("r")
	other.Owner = "mallory"
	wantError(t, r.Create(ctx, &other), ErrExists)
	other = sample("r")
	other.CreatedAt++
	wantError(t, r.Create(ctx, &other), ErrExists)
	for _, stale := range []uint64{old, 0, 1, rev + 1, 1 << 60} {
		_, err = r.Put(ctx, "r", stale, "dave", Member{Version: 1})
		wantError(t, err, ErrConflict)
		_, err = r.Drop(ctx, "r", stale, "carol")
		wantError(t, err, ErrConflict)
		wantError(t, r.Delete(ctx, "r", stale), ErrConflict)
		_, err = r.Put(ctx, "unknown", stale, "dave", Member{Version: 1})
		wantError(t, err, ErrConflict)
	}
	room.Members["carol"] = Member{Version: 1}
	if got := want(t, r, room); got != rev {
		t.Errorf("revision %d, want %d", got, rev)
	}
}

func TestRepeat(t *testing.T) {
	r, ctx := single(t), t.Context()
	room := sample("r")
	ok(t, r.Create(ctx, &room))
	first := room.Revision
	room.Revision = 0
	ok(t, r.Create(ctx, &room))
	if room.Revision != first {
		t.Errorf("repeated create at %d, want %d", room.Revision, first)
	}

	put, err := r.Put(ctx, "r", first, "carol", Member{Version: 9})
	ok(t, err)
	again, err := r.Put(ctx, "r", first, "carol", Member{Version: 9})
	ok(t, err)
	if again != put {
		t.Errorf("repeated put at %d, want %d", again, put)
	}
	_, err = r.Put(ctx, "r", first, "carol", Member{Version: 10})
	wantError(t, err, ErrConflict)
	_, err = r.Drop(ctx, "r", first, "carol")
	wantError(t, err, ErrConflict)

	drop, err := r.Drop(ctx, "r", put, "carol")
	ok(t, err)
	again, err = r.Drop(ctx, "r", put, "carol")
	ok(t, err)
	if again != drop {
		t.Errorf("repeated drop at %d, want %d", again, drop)
	}
	// What was overtaken by another change is a conflict.
	_, err = r.Put(ctx, "r", first, "carol", Member{Version: 9})
	wantError(t, err, ErrConflict)
	wantError(t, r.Create(ctx, &room), ErrConflict)
	want(t, r, room)

	for range 2 {
		ok(t, r.Delete(ctx, "r", drop))
	}
	ok(t, r.Delete(ctx, "never", 5))
}

func TestNames(t *testing.T) {
	r, ctx := single(t), t.Context()
	rooms := []string{
		"a", "A", "a.b", "a..b", ".", "..", "*", ">", "a.>", "a.*", "=", "=2e", "a=2eb", "a b", " ", "/", "ä", "é\xff", "日本",
		"h", "p", "m", "r", "$KV", "\\", "\"", strings.Repeat(".", maxRoom), strings.Repeat("x", maxRoom),
	}
	users := []string{"a", "A", ".", "*", ">", "a.b", "=", "=2e", "h", "p", "m", " ", "\xfe", "ü", "user@example.org", strings.Repeat(">", maxUser)}
	expected := make(map[string]Room)
	for i, name := range rooms {
		room := Room{Name: name, Owner: users[i%len(users)], CreatedAt: int64(i), Members: map[string]Member{}}
		for j, user := range users {
			if (i+j)%3 > 0 {
				room.Members[user] = Member{Joined: j%2 == 0, Version: uint64(1000*i + j)}
			}
		}
		ok(t, r.Create(ctx, &room))
		rev, err := r.Put(ctx, name, room.Revision, users[i%len(users)], Member{Version: 7})
		ok(t, err)
		_, err = r.Drop(ctx, name, rev, users[(i+1)%len(users)])
		ok(t, err)
		room.Members[users[i%len(users)]] = Member{Version: 7}
		delete(room.Members, users[(i+1)%len(users)])
		expected[name] = room
		ok(t, r.AddUserRoom(ctx, users[i%len(users)], name))
	}
	for _, room := range expected {
		want(t, r, room)
	}
	for i, user := range users {
		got := roomsOf(t, r, user)
		var all []string
		for j := i; j < len(rooms); j += len(users) {
			all = append(all, rooms[j])
		}
		slices.Sort(got)
		slices.Sort(all)
		if !slices.Equal(got, all) {
			t.Errorf("rooms of %q: %q, want %q", user, got, all)
		}
	}
	for _, name := range rooms {
		room, err := r.Load(ctx, name)
		ok(t, err)
		ok(t, r.Delete(ctx, name, room.Revision))
		delete(expected, name)
		for _, left := range expected {
			if strings.HasPrefix(left.Name, name) || strings.HasPrefix(name, left.Name) {
				want(t, r, left)
			}
		}
	}
}

func TestBadNames(t *testing.T) {
	r, ctx := single(t), t.Context()
	long, longUser := strings.Repeat("x", maxRoom+1), strings.Repeat("x", maxUser+1)
	_, load := r.Load(ctx, "")
	_, put := r.Put(ctx, "r", 1, "", Member{})
	_, drop := r.Drop(ctx, "r", 1, longUser)
	lists, err := r.UserRooms(ctx, []string{longUser, "u"})
	ok(t, err)
	for name, err := range map[string]error{
		"load": load, "put": put, "drop": drop, "list": lists[longUser].Err,
		"create":  r.Create(ctx, &Room{Name: long, Owner: "a"}),
		"owner":   r.Create(ctx, &Room{Name: "a"}),
		"members": r.Create(ctx, &Room{Name: "a", Owner: "a", Members: map[string]Member{"": {}}}),
		"delete":  r.Delete(ctx, long, 1),
		"add":     r.AddUserRoom(ctx, "a", long),
		"remove":  r.RemoveUserRoom(ctx, "", "a"),
	} {
		if err == nil || !errors.As(err, new(*nameError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What is too big for a message is not JetStream's fault.
	err = r.Create(ctx, &Room{Name: "big", Owner: "a", Metadata: make([]byte, 2<<20)})
	if err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("metadata of 2 MiB: %v", err)
	}
	_, err = r.Load(ctx, "big")
	wantError(t, err, ErrNotFound)
}

// roomsOf lists the rooms of a user alone, and together with others.
func roomsOf(t *testing.T, r *Rooms, user string) []string {
	t.Helper()
	alone, err := r.UserRooms(t.Context(), []string{user})
	ok(t, err)
	together, err := r.UserRooms(t.Context(), []string{"nobody", user, user + "x", "nobody else"})
	ok(t, err)
	for _, l := range []List{alone[user], together[user]} {
		ok(t, l.Err)
		slices.Sort(l.Rooms)
	}
	if !slices.Equal(alone[user].Rooms, together[user].Rooms) || len(together["nobody"].Rooms) > 0 {
		t.Fatalf("rooms %q alone, %q together, and nobody's %q", alone[user], together[user], together["nobody"])
	}
	return alone[user].Rooms
}

// TestManyUserRooms: more than the server sends at once is asked for in parts, and what cannot be read is that user's alone.
func TestManyUserRooms(t *testing.T) {
	r, ctx := single(t), t.Context()
	const users, rooms = 200, 30
	ok(t, r.AddUserRoom(ctx, "the first", "makes the bucket"))
	var all []string
	for u := range users {
		user := fmt.Sprint("user ", u)
		all = append(all, user)
		doc := userRooms{Version: version}
		for i := range rooms {
			doc.Rooms = append(doc.Rooms, natskey.Escape(fmt.Sprint(strings.Repeat("long", 200), i)))
		}
		_, err := r.write(ctx, userSubject(user), encode(doc), userSubject(user), 0)
		ok(t, err)
	}
	_, err := r.write(ctx, userSubject("broken"), []byte("{"), userSubject("broken"), 0)
	ok(t, err)
	lists, err := r.UserRooms(ctx, append(all, "broken"))
	ok(t, err)
	for _, user := range all {
		if l := lists[user]; l.Err != nil || len(l.Rooms) != rooms {
			t.Fatalf("%s has %d rooms, %v", user, len(l.Rooms), l.Err)
		}
	}
	if lists["broken"].Err == nil {
		t.Error("a broken list is not reported")
	}
}

func TestUserRooms(t *testing.T) {
	r, ctx := single(t), t.Context()
	list := func(want ...string) {
		t.Helper()
		got := roomsOf(t, r, "u")
		slices.Sort(got)
		if !slices.Equal(got, want) || got == nil != (want == nil) {
			t.Fatalf("rooms %q, want %q", got, want)
		}
	}
	list()
	ok(t, r.RemoveUserRoom(ctx, "u", "a"))
	list()
	for range 2 {
		ok(t, r.AddUserRoom(ctx, "u", "b"))
		ok(t, r.AddUserRoom(ctx, "u", "a"))
		list("a", "b")
	}
	for range 2 {
		ok(t, r.RemoveUserRoom(ctx, "u", "a"))
		list("b")
	}
	ok(t, r.RemoveUserRoom(ctx, "u", "b"))
	list()

	var wg sync.WaitGroup
	var all []string
	for i := range 16 {
		name := fmt.Sprintf("room%02d", i)
		all = append(all, name)
		wg.Go(func() {
			for _, do := range []func() error{
				func() error { return r.AddUserRoom(ctx, "u", name) },
				func() error { return r.RemoveUserRoom(ctx, "u", name) },
				func() error { return r.AddUserRoom(ctx, "u", name) },
			} {
				if err := do(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	list(all...)
}

// TestOneCreator: many create a room at once.
func TestOneCreator(t *testing.T) {
	r, ctx := single(t), t.Context()
	for round := range 20 {
		name := fmt.Sprint("room", round)
		const creators = 4
		created := make([]Room, creators)
		errs := make([]error, creators)
		var wg sync.WaitGroup
		for i := range creators {
			created[i] = sample(name)
			created[i].Owner = fmt.Sprint("owner", i)
			created[i].Members[created[i].Owner] = Member{Joined: true}
			wg.Go(func() {
				for range 100 {
					if errs[i] = r.Create(ctx, &created[i]); !errors.Is(errs[i], ErrConflict) {
						return
					}
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		var winners int
		for i, err := range errs {
			if err == nil {
				winners++
				want(t, r, created[i])
			} else {
				wantError(t, err, ErrExists)
			}
		}
		if winners != 1 {
			t.Fatalf("%d created it: %v", winners, errs)
		}
	}
}

func TestCallsCounted(t *testing.T) {
	nc, _ := streamtest.Embedded(t)
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "calls"}, []string{"call", "outcome"})
	r, err := New(Config{Conn: nc, Calls: calls})
	ok(t, err)
	_, _ = r.Load(t.Context(), "a")
	room := sample("a")
	_ = r.Create(t.Context(), &room)
	_, _ = r.Put(t.Context(), "a", 1, "u", Member{})
	for _, labels := range [][]string{{"load", "not_found"}, {"create", "ok"}, {"put", "conflict"}} {
		if n := testutil.ToFloat64(calls.WithLabelValues(labels...)); n != 1 {
			t.Errorf("%q counted %v times", labels, n)
		}
	}
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("no connection: no error")
	}
	nc, _ := streamtest.Embedded(t)
	for _, n := range []int{-1, 6} {
		if _, err := New(Config{Conn: nc, Replicas: n}); err == nil {
			t.Errorf("%d replicas: no error", n)
		}
	}
}
