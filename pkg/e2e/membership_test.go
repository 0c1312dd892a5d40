package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// events is what one connection has heard of rooms.
type events struct {
	mu    sync.Mutex
	heard map[string][]string // guarded by mu: by room, "event user"
}

func (e *events) hear(v client.RoomEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard[v.Room] = append(e.heard[v.Room], v.Event+" "+v.UserID)
}

// all is what was heard, sorted within a room: what concerns a member itself comes by another way. If but is not
// empty, what was heard of that user is left out.
func (e *events) all(but string) map[string][]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[string][]string)
	for room, list := range e.heard {
		all[room] = slices.DeleteFunc(slices.Sorted(slices.Values(list)), func(s string) bool {
			return but != "" && strings.HasSuffix(s, " "+but)
		})
	}
	return all
}

// TestMembersAreToldOnce: whoever is added, removed, or was in a room that is deleted hears of it once on
// each connection, and so do the other members, whichever lanes own the room and the users.
func TestMembersAreToldOnce(t *testing.T) {
	t.Parallel()
	_, addr := launchAll(t, "LANES=4", "LOOPS=2", "MAX_ROOMS=1000")
	connect := func(user string) (*client.Client, *events) {
		e := &events{heard: make(map[string][]string)}
		c, err := client.Dial(t.Context(), "ws://"+addr+"/ws", mint(t, user), client.Options{RoomEvent: e.hear})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, e
	}
	alice, byAlice := connect("alice")
	bob, byBob := connect("bob")
	_, byCarol := connect("carol")
	_, byCarolToo := connect("carol")
	_, byDave := connect("dave")

	owner, member, guest, named := map[string][]string{}, map[string][]string{}, map[string][]string{}, map[string][]string{}
	for i := range 40 {
		room := fmt.Sprintf("told.%d", i)
		visibility := []string{"public", "private"}[i%2]
		for _, do := range []func() error{
			func() error {
				return alice.CreateRoom(t.Context(), client.RoomSpec{Name: room, Visibility: visibility, Members: []string{"dave", "bob"}})
			},
			func() error { _, err := bob.JoinRoom(t.Context(), room, false); return err }, // from the reply on, he misses nothing
			func() error { return alice.AddMember(t.Context(), room, "carol") },
			func() error { return alice.RemoveMember(t.Context(), room, "carol") },
			func() error { return alice.DeleteRoom(t.Context(), room) },
		} {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
		owner[room] = []string{"deleted alice", "joined carol", "removed carol"}
		member[room] = []string{"deleted alice", "joined bob", "joined carol", "removed carol"}
		guest[room] = []string{"joined carol", "removed carol"}
		named[room] = []string{"deleted alice", "joined dave"} // what the others do may come before he is listening
	}

	time.Sleep(500 * time.Millisecond) // for what comes too often
	deadline := time.Now().Add(patience)
	same := func(a, b map[string][]string) bool { return maps.EqualFunc(a, b, slices.Equal) }
	for _, tt := range []struct {
		name string
		got  *events
		but  string
		want map[string][]string
	}{
		{"alice", byAlice, "", owner}, {"bob", byBob, "", member},
		{"carol", byCarol, "", guest}, {"carol's other", byCarolToo, "", guest}, {"dave", byDave, "carol", named},
	} {
		for ; !same(tt.got.all(tt.but), tt.want); time.Sleep(20 * time.Millisecond) {
			if time.Now().Before(deadline) {
				continue
			}
			for room, want := range tt.want {
				if got := tt.got.all(tt.but)[room]; !slices.Equal(got, want) {
					t.Errorf("%s, %s: heard %q, want %q", tt.name, room, got, want)
				}
			}
			break
		}
	}
}
