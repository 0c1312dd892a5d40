package durable

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// front stands before a JetStream and answers some requests itself: with what was true before, as a
// replica does that is behind, or with a refusal.
type front struct {
	t      *testing.T
	behind *nats.Conn
	front  *nats.Conn

	mu       sync.Mutex
	recorded []reply // of batches, the latest last
	answer   func(n int) *reply
	batches  int
	refuse   map[string]int // publishes to refuse, by the subject's end
}

type reply []*nats.Msg

// newFront returns Rooms behind a front, and Rooms that are not.
func newFront(t *testing.T) (*front, *Rooms, *Rooms) {
	t.Helper()
	direct := single(t)
	ready(t, direct)
	ns, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	ok(t, err)
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	f := &front{t: t, behind: direct.conn, refuse: map[string]int{}}
	f.front, err = nats.Connect("", nats.InProcessServer(ns))
	ok(t, err)
	t.Cleanup(f.front.Close)
	for _, subjects := range []string{"$JS.API.>", "$KV.>"} {
		_, err := f.front.Subscribe(subjects, f.forward)
		ok(t, err)
	}
	ok(t, f.front.Flush())
	client, err := nats.Connect("", nats.InProcessServer(ns))
	ok(t, err)
	t.Cleanup(client.Close)
	return f, on(t, client), direct
}

func (f *front) forward(m *nats.Msg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for end, n := range f.refuse {
		if n > 0 && strings.HasPrefix(m.Subject, subject) && strings.HasSuffix(m.Subject, end) {
			f.refuse[end]--
			_ = m.Respond([]byte(`{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"},"stream":"` + stream + `"}`))
			return
		}
	}
	batch := m.Subject == "$JS.API.DIRECT.GET."+stream
	if batch {
		f.batches++
		if f.answer != nil {
			if old := f.answer(f.batches); old != nil {
				f.send(m, *old)
				return
			}
		}
	}
	inbox := f.behind.NewInbox()
	sub, err := f.behind.SubscribeSync(inbox)
	if err != nil {
		return
	}
	defer func() { _ = sub.Unsubscribe() }()
	_ = f.behind.PublishMsg(&nats.Msg{Subject: m.Subject, Reply: inbox, Header: m.Header, Data: m.Data})
	var all reply
	for {
		answer, err := sub.NextMsg(5 * time.Second)
		if err != nil {
			f.t.Errorf("%s: %v", m.Subject, err)
			return
		}
		all = append(all, answer)
		if !batch || answer.Header.Get("Status") != "" {
			break
		}
	}
	if batch {
		f.recorded = append(f.recorded, all)
	}
	f.send(m, all)
}

func (f *front) send(m *nats.Msg, all reply) {
	for _, answer := range all {
		_ = f.front.PublishMsg(&nats.Msg{Subject: m.Reply, Header: answer.Header, Data: answer.Data})
	}
}

// script has the batches from now on answered by a function of their number, from 1; nil: by JetStream.
// It returns what was recorded before.
func (f *front) script(answer func(n int) *reply) []reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	recorded := f.recorded
	f.recorded, f.answer, f.batches = nil, answer, 0
	return recorded
}

// TestReplicaBehind: a load is not content with what was true before.
func TestReplicaBehind(t *testing.T) {
	for _, n := range []int{20, 2000} { // read as a snapshot, and in pages
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f, r, direct := newFront(t)
			room := Room{Name: "r", Owner: "alice"}
			ok(t, direct.Create(t.Context(), &room))
			crowd(t, direct, &room, n)
			want(t, r, room)
			recorded := f.script(nil)
			old := recorded[len(recorded)-1]

			const changed, dropped = "user 3@example.org", "user 4@example.org"
			rev, err := direct.Put(t.Context(), "r", room.Revision, changed, Member{Version: 1e9})
			ok(t, err)
			rev, err = direct.Drop(t.Context(), "r", rev, dropped)
			ok(t, err)
			room.Members[changed] = Member{Version: 1e9}
			delete(room.Members, dropped)
			first := recorded[0] // of a big room: that it has too many keys
			f.script(func(n int) *reply {
				switch {
				case n > 3:
					return nil
				case len(recorded) > 1 && n == 1:
					return &first
				}
				return &old
			})
			if got := want(t, r, room); got != rev {
				t.Errorf("revision %d, want %d", got, rev)
			}
			if f.batches < 4 {
				t.Errorf("content after %d batches", f.batches)
			}
		})
	}
}

// TestPagesOfDifferentReplicas: the first page is of one that is ahead of the one that the last is of, so
// that a member is in neither.
func TestPagesOfDifferentReplicas(t *testing.T) {
	f, r, direct := newFront(t)
	room := Room{Name: "r", Owner: "alice"}
	ok(t, direct.Create(t.Context(), &room))
	crowd(t, direct, &room, pageKeys+1000)
	rev, err := direct.Put(t.Context(), "r", room.Revision, "late", Member{Version: 1})
	ok(t, err)
	room.Members["late"] = Member{Version: 1}
	want(t, r, room)
	recorded := f.script(nil)
	if len(recorded) != 3 {
		t.Fatalf("%d batches, want a refused snapshot and two pages", len(recorded))
	}
	const moved = "user 3@example.org"
	f.script(func(n int) *reply {
		switch n {
		case 2:
			rev, err = direct.Put(t.Context(), "r", rev, moved, Member{Version: 1e9})
			if err != nil {
				t.Error(err)
			}
		case 3:
			return &recorded[2]
		}
		return nil
	})
	room.Members[moved] = Member{Version: 1e9}
	if got := want(t, r, room); got != rev {
		t.Errorf("revision %d, want %d", got, rev)
	}
}

// TestRefusedForNothing: a cluster refuses a write also while another one is under way.
func TestRefusedForNothing(t *testing.T) {
	f, r, _ := newFront(t)
	room := sample("r")
	refuse := func(ends ...string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, end := range ends {
			f.refuse[end] = 2
		}
	}
	refuse(".h", ".p", ".bob")
	ok(t, r.Create(t.Context(), &room))
	want(t, r, room)
	refuse(".h", ".carol")
	rev, err := r.Put(t.Context(), "r", room.Revision, "carol", Member{Version: 1})
	ok(t, err)
	refuse(".h", ".bob")
	rev, err = r.Drop(t.Context(), "r", rev, "bob")
	ok(t, err)
	delete(room.Members, "bob")
	room.Members["carol"] = Member{Version: 1}
	want(t, r, room)
	refuse(".h")
	ok(t, r.Delete(t.Context(), "r", rev))
	for end, n := range f.refuse {
		if n > 0 {
			t.Errorf("%d writes to %s were not tried", n, end)
		}
	}
}
