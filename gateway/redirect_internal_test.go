package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// A sender's one reply comes when its message and all copies of it are answered, in whichever order that happens; a copy
// that is refused, or whose owner is lost, is what it is told.
func TestReplyWaitsForCopies(t *testing.T) {
	const (
		own    = `Ack`
		copied = `copied`
		failed = `failed`
		lost   = `lost`
	)
	for name, tt := range map[string]struct {
		events []string
		want   string // type and code of the reply
	}{
		"no copy":                     {[]string{own}, "Ack 0"},
		"copy first":                  {[]string{copied, own}, "Ack 0"},
		"own reply first":             {[]string{own, copied}, "Ack 0"},
		"two copies":                  {[]string{copied, own, copied}, "Ack 0"},
		"a copy is refused":           {[]string{failed, own}, "Error 429"},
		"and another is not":          {[]string{own, failed, copied}, "Error 429"},
		"the owner of a copy is lost": {[]string{copied, own, lost}, "Error 503"},
	} {
		t.Run(name, func(t *testing.T) {
			l := idleLoop(t, nil, nil)
			l.routersAre(2, 3)
			c, _ := l.connect(t)
			l.input(c, masked(`{"type":"Broadcast","id":"m","data":{"topic":"a","payload":1}}`))
			parent := l.only(t, func(o *op) bool { return o.parent == 0 })
			copies := 0
			for _, e := range tt.events {
				if e != own {
					copies++
					l.redirected(&wire.Redirect{Copy: true, Publish: wire.Publish{
						Conn: l.ref(c), Op: parent, Topic: fmt.Sprint("copy.", copies), User: "alice", ID: "m", Payload: []byte("1"),
					}})
				}
			}
			pending := l.ops.handles(func(o *op) bool { return o.parent == parent })
			if len(pending) != copies {
				t.Fatalf("%d copies are waited for, want %d", len(pending), copies)
			}
			for i, e := range tt.events {
				if n := len(l.repliesTo(c, "m")); n != 0 {
					t.Fatalf("%d replies before %d of %v", n, i, tt.events)
				}
				switch e {
				case own:
					_, ack := protocol.AppendAck(nil, "m", "a")
					l.replied(&wire.Reply{Op: parent, Conn: l.ref(c), Frame: ack})
					continue
				case copied:
					_, ack := protocol.AppendAck(nil, "m", "copy")
					l.replied(&wire.Reply{Op: pending[0], Conn: l.ref(c), Frame: ack})
				case failed:
					_, no := protocol.AppendError(nil, "m", protocol.Error{Code: protocol.CodeTooMany, Message: "no"})
					l.replied(&wire.Reply{Op: pending[0], Conn: l.ref(c), Frame: no})
				case lost:
					l.fail(pending[0])
				}
				pending = pending[1:]
			}
			replies := l.repliesTo(c, "m")
			if len(replies) != 1 {
				t.Fatalf("replies %q, want one", replies)
			}
			m := gjson.Parse(replies[0])
			if got := fmt.Sprint(m.Get("type"), " ", m.Get("data.code").Int()); got != tt.want {
				t.Errorf("%s, want %s: %s", got, tt.want, m)
			}
			if l.ops.live != 0 {
				t.Errorf("%d ops are left", l.ops.live)
			}
		})
	}
}

// A redirected message goes to the owner of its new key, marked so that rules leave it alone, and is answered from there;
// without one it gets 503, once.
func TestRedirectedMessageIsAnsweredOnce(t *testing.T) {
	for name, routers := range map[string][]uint64{"an owner": {2, 3}, "no owner": nil} {
		t.Run(name, func(t *testing.T) {
			l := idleLoop(t, nil, nil)
			l.routersAre(2, 3)
			c, _ := l.connect(t)
			l.input(c, masked(`{"type":"Broadcast","id":"m","data":{"topic":"a","payload":1}}`))
			h := l.only(t, func(*op) bool { return true })
			if routers == nil {
				l.routers.view = &cluster.View{}
			}
			r := &wire.Redirect{Publish: wire.Publish{Conn: l.ref(c), Op: h, Topic: "b", User: "alice", ID: "m", Payload: []byte("2")}}
			l.redirected(r)
			replies := l.repliesTo(c, "m")
			if routers == nil {
				if len(replies) != 1 || gjson.Get(replies[0], "data.code").Int() != protocol.CodeUnavailable {
					t.Errorf("replies %q, want one 503", replies)
				}
				l.redirected(r) // late: nothing is known of it any more
				if l.ops.live != 0 || len(l.repliesTo(c, "m")) != 1 {
					t.Errorf("%d ops, replies %q", l.ops.live, l.repliesTo(c, "m"))
				}
				return
			}
			if len(replies) != 0 || l.ops.find(h) == nil {
				t.Fatalf("replies %q before its owner's", replies)
			}
			u, _ := l.routers.ownerOf(cluster.Hash("b"))
			sent := l.published(u)
			last := sent[len(sent)-1]
			if last.Topic != "b" || !last.Ruled || last.Op != h || string(last.Payload) != "2" {
				t.Errorf("its owner gets %+v", last)
			}
			_, ack := protocol.AppendAck(nil, "m", "b")
			l.replied(&wire.Reply{Op: h, Conn: l.ref(c), Frame: ack})
			if replies := l.repliesTo(c, "m"); len(replies) != 1 || gjson.Get(replies[0], "data.topic").Str != "b" {
				t.Errorf("replies %q", replies)
			}
		})
	}
}

// only returns the one op that is wanted.
func (l *loop) only(t *testing.T, want func(*op) bool) uint64 {
	t.Helper()
	list := l.ops.handles(want)
	if len(list) != 1 {
		t.Fatalf("%d ops, want 1", len(list))
	}
	return list[0]
}

// repliesTo are the texts of this turn's frames for a connection that answer an id.
func (l *loop) repliesTo(c *conn, id string) (texts []string) {
	for n := c.first; n != 0; n = l.nodes[n-1].next {
		frame := l.frames[l.nodes[n-1].frame]
		if text := string(frame[2:]); frame[1] < 126 && strings.Contains(text, `"id":"`+id+`"`) {
			texts = append(texts, text)
		} else if text := string(frame[4:]); frame[1] == 126 && strings.Contains(text, `"id":"`+id+`"`) {
			texts = append(texts, text)
		}
	}
	return texts
}

// published are the messages that are under way to an owner, oldest first.
func (l *loop) published(u *upstream) (list []wire.Publish) {
	l.flushLinks()
	for _, o := range u.outs {
		for batch := range o.Unacked {
			for rec, err := range wire.Records(batch) {
				var p wire.Publish
				if err == nil && rec.Kind == wire.KindPublish && p.Decode(rec.Body) == nil {
					list = append(list, p)
				}
			}
		}
	}
	return list
}
