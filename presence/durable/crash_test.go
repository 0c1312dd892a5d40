package durable

import (
	"slices"
	"strings"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// crash writes a room's head and nothing else: its writer dies then.
func crash(t *testing.T, r *Rooms, room string, revision uint64, user string, m *Member) uint64 {
	t.Helper()
	c := change{Before: revision, User: natskey.Escape(user)}
	if m != nil {
		doc := memberOf(*m)
		c.Member = &doc
	}
	at := roomSubject(room) + headTail
	seq, err := r.write(t.Context(), at, encode(head{Version: version, State: live, Change: c}), at, revision)
	ok(t, err)
	return seq
}

// TestCrashBetweenWrites: a change of which only the head was written takes place, once.
func TestCrashBetweenWrites(t *testing.T) {
	carol := Member{Joined: true, Version: 3}
	bob := Member{Joined: true, Version: 4}
	tests := []struct {
		name, user string
		m          *Member
		then       func(map[string]Member)
	}{
		{"new member", "carol", &carol, func(m map[string]Member) { m["carol"] = carol }},
		{"changed member", "bob", &bob, func(m map[string]Member) { m["bob"] = bob }},
		{"dropped member", "bob", nil, func(m map[string]Member) { delete(m, "bob") }},
		{"dropped nobody", "dave", nil, func(map[string]Member) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, ctx := single(t), t.Context()
			room := sample("r")
			ok(t, r.Create(ctx, &room))
			first := room.Revision
			seq := crash(t, r, "r", first, tt.user, tt.m)
			tt.then(room.Members)

			// Whoever has not seen it cannot write over it.
			_, err := r.Put(ctx, "r", first, "eve", Member{Version: 1})
			wantError(t, err, ErrConflict)
			for range 2 {
				if got := want(t, r, room); got != seq {
					t.Errorf("revision %d, want %d", got, seq)
				}
			}
			// The load has finished it, so that the next change may forget it.
			rev, err := r.Put(ctx, "r", seq, "eve", Member{Version: 1})
			ok(t, err)
			room.Members["eve"] = Member{Version: 1}
			if got := want(t, r, room); got != rev {
				t.Errorf("revision %d, want %d", got, rev)
			}
		})
		t.Run(tt.name+", repeated", func(t *testing.T) {
			r, ctx := single(t), t.Context()
			room := sample("r")
			ok(t, r.Create(ctx, &room))
			seq := crash(t, r, "r", room.Revision, tt.user, tt.m)
			tt.then(room.Members)
			var rev uint64
			var err error
			if tt.m != nil {
				rev, err = r.Put(ctx, "r", room.Revision, tt.user, *tt.m)
			} else {
				rev, err = r.Drop(ctx, "r", room.Revision, tt.user)
			}
			ok(t, err)
			if rev != seq {
				t.Errorf("repeated at %d, want %d", rev, seq)
			}
			rev, err = r.Put(ctx, "r", rev, "eve", Member{Version: 1})
			ok(t, err)
			room.Members["eve"] = Member{Version: 1}
			if got := want(t, r, room); got != rev {
				t.Errorf("revision %d, want %d", got, rev)
			}
		})
	}
}

// TestLateWrites: what a dead writer's connection delivers after all does no harm.
func TestLateWrites(t *testing.T) {
	r, ctx := single(t), t.Context()
	room := sample("r")
	ok(t, r.Create(ctx, &room))
	prefix, first := roomSubject("r"), room.Revision
	at, fence := prefix+memberTail+"carol", prefix+headTail
	rev, err := r.Put(ctx, "r", first, "carol", Member{Version: 1})
	ok(t, err)
	rev, err = r.Drop(ctx, "r", rev, "carol")
	ok(t, err)
	_, err = r.write(ctx, at, encode(memberOf(Member{Version: 1})), fence, first)
	wantError(t, err, ErrConflict)
	want(t, r, room)

	ok(t, r.Delete(ctx, "r", rev))
	for _, expected := range []uint64{first, rev} {
		_, err = r.write(ctx, at, encode(memberOf(Member{Version: 1})), fence, expected)
		wantError(t, err, ErrConflict)
	}
	again := sample("r")
	ok(t, r.Create(ctx, &again))
	_, err = r.write(ctx, at, encode(memberOf(Member{Version: 1})), fence, rev)
	wantError(t, err, ErrConflict)
	want(t, r, again)
}

// TestCrashInCreate ends a creation after each of its writes; then the same owner tries again, another
// does, or somebody deletes what is not there.
func TestCrashInCreate(t *testing.T) {
	steps := []string{"h", "p", "m.alice", "m.zoe"}
	for n := 1; n <= len(steps); n++ {
		for _, then := range []string{"same", "other", "delete"} {
			t.Run(strings.Join(steps[:n], " ")+" "+then, func(t *testing.T) {
				r, ctx := single(t), t.Context()
				ok(t, r.opener.Open(ctx))
				broken := sample("r")
				prefix := roomSubject("r")
				claim, _, err := r.setState(ctx, prefix, creating, 0)
				ok(t, err)
				for _, tail := range steps[1:n] {
					doc := encode(properties{Version: version, Owner: broken.Owner, CreatedAt: broken.CreatedAt})
					if strings.HasPrefix(tail, memberTail) {
						doc = encode(memberOf(Member{Version: 77}))
					}
					_, err := r.write(ctx, prefix+tail, doc, prefix+headTail, claim)
					ok(t, err)
				}
				_, err = r.Load(ctx, "r")
				wantError(t, err, ErrNotFound)
				_, err = r.Put(ctx, "r", claim+10, "eve", Member{})
				wantError(t, err, ErrConflict)

				room := sample("r")
				switch then {
				case "other":
					room.Owner, room.CreatedAt = "carol", 9
				case "delete":
					wantError(t, r.Delete(ctx, "r", 0), ErrConflict)
				}
				ok(t, r.Create(ctx, &room))
				if rev := want(t, r, room); rev != room.Revision {
					t.Errorf("revision %d, want %d", room.Revision, rev)
				}
				// The first creator comes back to life.
				_, err = r.write(ctx, prefix+memberTail+"ghost", nil, prefix+headTail, claim)
				wantError(t, err, ErrConflict)
				want(t, r, room)
			})
		}
	}
}

// TestCrashInDelete ends a deletion after the head; the marker is there, or has vanished since.
func TestCrashInDelete(t *testing.T) {
	for _, vanished := range []string{"", "vanished "} {
		for _, then := range []string{"create", "delete"} {
			t.Run(vanished+then, func(t *testing.T) {
				r, ctx := single(t), t.Context()
				room := sample("r")
				ok(t, r.Create(ctx, &room))
				prefix := roomSubject("r")
				at := prefix + headTail
				marker, err := r.remove(ctx, at, at, room.Revision)
				ok(t, err)
				if vanished != "" {
					ok(t, r.purge(ctx, at[:len(at)-len(".h")]+".", marker+1)) // all of it
					for _, tail := range []string{propertiesTail, memberTail + "alice", memberTail + "mallory"} {
						_, err := r.write(ctx, prefix+tail, encode(memberOf(Member{Version: 8})), at, 0)
						ok(t, err)
					}
				}
				_, err = r.Load(ctx, "r")
				wantError(t, err, ErrNotFound)
				if then == "delete" {
					ok(t, r.Delete(ctx, "r", room.Revision))
					left := slices.DeleteFunc(keys(t, r), func(key string) bool { return key == "r.r.h-" })
					if len(left) > 0 {
						t.Errorf("left: %q", left)
					}
				}
				again := Room{Name: "r", Owner: "carol", Members: map[string]Member{"carol": {}}}
				ok(t, r.Create(ctx, &again))
				want(t, r, again)
			})
		}
	}
}

// TestNewer: documents of a later version are left alone.
func TestNewer(t *testing.T) {
	r, ctx := single(t), t.Context()
	room := sample("r")
	ok(t, r.Create(ctx, &room))
	at := roomSubject("r") + headTail
	rev, err := r.write(ctx, at, []byte(`{"v":2,"state":"other"}`), at, room.Revision)
	ok(t, err)
	_, err = r.Load(ctx, "r")
	wantError(t, err, errNewer)
	wantError(t, r.Create(ctx, &room), errNewer)
	wantError(t, r.Delete(ctx, "r", rev-1), errNewer)
}
