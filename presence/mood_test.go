package presence

import (
	"testing"

	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// How a user looks to others and to itself.
func TestUserLooks(t *testing.T) {
	const then, now = 1_763_856_000_000, 1_763_856_005_000
	busy := &mood{version: 1, status: protocol.StatusBusy, message: "later", metadata: `{"a":1}`}
	hidden := &mood{version: 1, status: protocol.StatusInvisible, message: "psst", metadata: `{"a":1}`}
	offline := protocol.UserPresence{User: "alice", Status: protocol.StatusOffline, LastSeen: then}
	for _, tt := range []struct {
		name        string
		connections int
		mood        *mood
		public, own protocol.UserPresence
		visible     bool
	}{
		{name: "gone", public: offline, own: offline},
		{name: "gone with a mood", mood: busy, public: offline, own: offline},
		{name: "gone and invisible", mood: hidden, public: offline, own: offline},
		{
			name: "there", connections: 2, visible: true,
			public: protocol.UserPresence{User: "alice", Status: protocol.StatusOnline, LastSeen: now, Connections: 2},
			own:    protocol.UserPresence{User: "alice", Status: protocol.StatusOnline, LastSeen: now, Connections: 2},
		},
		{
			name: "busy", connections: 1, mood: busy, visible: true,
			public: protocol.UserPresence{
				User: "alice", Status: protocol.StatusBusy, LastSeen: now, Connections: 1, Message: "later", Metadata: []byte(`{"a":1}`),
			},
			own: protocol.UserPresence{
				User: "alice", Status: protocol.StatusBusy, LastSeen: now, Connections: 1, Message: "later", Metadata: []byte(`{"a":1}`),
			},
		},
		{
			name: "invisible", connections: 3, mood: hidden, public: offline,
			own: protocol.UserPresence{
				User: "alice", Status: protocol.StatusInvisible, LastSeen: now, Connections: 3, Message: "psst", Metadata: []byte(`{"a":1}`),
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := &user{key: wire.UserKey("alice"), spots: []spot{{count: uint32(tt.connections)}}, mood: tt.mood, seen: then}
			if got := u.public(now); !samePresence(got, tt.public) {
				t.Errorf("to others: %+v, want %+v", got, tt.public)
			}
			if got := u.own(now); !samePresence(got, tt.own) {
				t.Errorf("to itself: %+v, want %+v", got, tt.own)
			}
			if u.visible() != tt.visible {
				t.Errorf("visible: %v", u.visible())
			}
		})
	}
}

// samePresence compares what a client would be told.
func samePresence(a, b protocol.UserPresence) bool {
	return string(protocol.AppendUserPresence(nil, &a)) == string(protocol.AppendUserPresence(nil, &b))
}

func TestUserIdle(t *testing.T) {
	for name, change := range map[string]func(*user){
		"nothing":     func(*user) {},
		"connections": func(u *user) { u.spots = []spot{{count: 1}} },
		"mood":        func(u *user) { u.mood = &mood{} },
		"watch":       func(u *user) { u.watch = &watchers{} },
		"rooms":       func(u *user) { u.rooms = map[string]joined{"r": {}} },
		"box":         func(u *user) { u.box = &box{} },
		"greets":      func(u *user) { u.begins = new([]greet) },
		"loading":     func(u *user) { u.loading = true },
		"absence":     func(u *user) { u.absence = &absence{} },
	} {
		u := &user{key: wire.UserKey("alice"), rooms: map[string]joined{}, drained: true, loaded: true, seen: 1, told: 1}
		change(u)
		if got, want := u.idle(), name == "nothing"; got != want {
			t.Errorf("%s: idle %v, want %v", name, got, want)
		}
	}
}

func TestMoodRoundTrip(t *testing.T) {
	for _, m := range []mood{
		{version: 1, status: protocol.StatusOnline},
		{version: 1 << 63, status: protocol.StatusAway, message: "back at 5"},
		{version: 7, status: protocol.StatusInvisible, message: "\"\\\n\x00<>&\u2028 é 🙂", metadata: `{"a":[1,2,{"b":null}]}`},
		{version: 7, status: protocol.StatusBusy, metadata: `{}`},
	} {
		s := m.encode()
		if s.Version != m.version {
			t.Errorf("%+v: deposited by version %d", m, s.Version)
		}
		if got := decodeMood(s); got == nil || *got != m {
			t.Errorf("got %+v, want %+v", got, m)
		}
	}
	for name, s := range map[string]wire.State{
		"nothing": {}, "no version": {Body: []byte(`{"s":"busy"}`)}, "not JSON": {Version: 1, Body: []byte(`{"s"`)}, "empty": {Version: 1},
	} {
		if got := decodeMood(s); got != nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
