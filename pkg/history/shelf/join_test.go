package shelf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

func (r *rig) join(key string, at wire.Position) Joined {
	r.Helper()
	j := Joined{Code: -1}
	r.Join(key, r.rule, true, at, func() {}, func(answer Joined) { j = answer })
	r.settle()
	if j.Code < 0 {
		r.Fatal("no answer")
	}
	return j
}

func TestJoin(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100, Age: time.Hour})
	empty := r.top("a")
	r.publish("a", 1, 200)
	epoch := uint64(r.top("a").Epoch)
	check := func(what string) {
		t.Helper()
		for after, whole := range map[uint64]bool{200: true, 199: true, 100: true, 99: false, 201: false, 0: false} {
			if j := r.join("a", wire.Position{Offset: after, Epoch: epoch}); j.Whole != whole || j.At.Offset != 200 {
				t.Errorf("%s, behind %d: %+v, want %v", what, after, j, whole)
			}
		}
	}
	check("remembered")
	r.now = r.now.Add(10 * time.Minute)
	r.forgetful()
	check("read")
	if j := r.join("a", wire.Position{Offset: 150, Epoch: epoch + 1<<20}); j.Whole {
		t.Errorf("of a numbering that is not known: %+v", j)
	}
	r.forgetful()
	r.publish("b", 1, 3)
	if j := r.join("b", wire.Position{Epoch: uint64(empty.Epoch)}); !j.Whole || j.At.Offset != 3 {
		t.Errorf("from before the first: %+v", j)
	}

	// It is answered behind what was published before: what it notes gets everything above the answer's position.
	var entered int
	var at uint64
	r.delivered = nil
	r.Publish("a", r.rule, item("m201", "201"))
	r.Join("a", r.rule, false, wire.Position{}, func() { entered = len(r.delivered) }, func(j Joined) { at = j.At.Offset })
	r.Publish("a", r.rule, item("m202", "202"))
	if r.settle(); entered == 0 || at != 200+uint64(entered) || len(r.delivered) != 2 {
		t.Errorf("it enters after %d more, and joins at %d", entered, at)
	}

	r.store.SetAway(true)
	r.forgetful()
	late, code := false, 0
	r.Join("a", r.rule, false, wire.Position{}, func() { late = true }, func(j Joined) { code = j.Code })
	if r.pass(patience + time.Second); late || code != protocol.CodeUnavailable {
		t.Errorf("while the store is away: %v, %d", late, code)
	}
}

// What is more than can be remembered is read from the store, and had all the same.
func TestJoinOfLargeMessages(t *testing.T) {
	r := newRig(t, history.Rule{Size: 1000, Age: time.Hour})
	big := strings.Repeat("x", 60<<10)
	for i := range 60 { // over history.RingBytes
		r.Publish("a", r.rule, item(fmt.Sprint(i), big))
		r.settle()
	}
	r.now = r.now.Add(10 * time.Minute)
	r.forgetful()
	epoch := uint64(r.top("a").Epoch)
	for _, after := range []uint64{0, 20, 45, 59} {
		if j := r.join("a", wire.Position{Offset: after, Epoch: epoch}); !j.Whole {
			t.Errorf("behind %d: %+v", after, j)
		}
		want := fmt.Sprintf("%d: a %d x", after+1, after+1)
		if got := r.page("a", wire.Position{Offset: after, Epoch: epoch}, 0); !strings.HasPrefix(got, want) {
			t.Errorf("behind %d the page is %.40s", after, got)
		}
	}
}

// However many come back at once, the store is read once.
func TestFillOnce(t *testing.T) {
	r := newRig(t, history.Rule{Size: 500, Age: time.Hour})
	r.publish("a", 1, 300)
	r.now = r.now.Add(10 * time.Minute)
	r.forgetful()
	epoch := uint64(r.top("a").Epoch)
	r.store.Counts()
	whole, pages := 0, 0
	for i := range 100 {
		at := wire.Position{Offset: uint64(100 + i), Epoch: epoch}
		r.Join("a", r.rule, true, at, func() {}, func(j Joined) {
			if j.Whole {
				whole++
			}
		})
		r.Fetch(&wire.Fetch{Key: "a", After: at}, r.rule, func(p *wire.Page) {
			if p.Code == 0 && p.First == at.Offset+1 && p.Len() == int(300-at.Offset) {
				pages++
			}
		})
	}
	r.settle()
	if n := r.store.Counts().Reads; whole != 100 || pages != 100 || n > 12 { // most find where to begin
		t.Errorf("%d whole, %d pages, %d reads", whole, pages, n)
	}
}

func TestFetch(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100, Age: time.Hour})
	r.publish("a", 1, 150)
	at := func(offset uint64) wire.Position {
		return wire.Position{Offset: offset, Epoch: uint64(r.top("a").Epoch)}
	}
	for _, forget := range []bool{false, true} {
		if forget {
			r.now = r.now.Add(10 * time.Minute)
			r.forgetful()
		}
		for after, want := range map[uint64]string{148: "149: a 149 149, a 150 150", 150: "151: "} {
			if got := r.page("a", at(after), 0); got != want {
				t.Errorf("behind %d: %s, want %s", after, got, want)
			}
		}
		if got := r.page("a", at(10), 0); !strings.HasPrefix(got, "51: a 51 51, ") {
			t.Errorf("behind what is kept: %.30s", got)
		}
		if got := r.page("a", wire.Position{Offset: 120, Epoch: 5}, 0); !strings.HasPrefix(got, "51: a 51 51, ") {
			t.Errorf("behind a place in another numbering: %.30s", got)
		}
	}

	// An owner that is behind finds out.
	epoch := history.Epoch(at(0).Epoch)
	r.store.Put("a", &history.Entry{Epoch: epoch, First: 151, Publications: []history.Publication{{User: "u", MessageID: "x", Payload: []byte("151")}}})
	if got := r.page("a", at(150), 151); got != "151: a 151 151" {
		t.Errorf("what another owner wrote is %s", got)
	}
	if got := r.delivered[len(r.delivered)-1]; got != "a 151 151" {
		t.Errorf("delivered %s last", got)
	}
	r.store.SetAway(true)
	r.forgetful()
	var code uint16
	r.Fetch(&wire.Fetch{Key: "a"}, r.rule, func(p *wire.Page) { code = p.Code })
	if r.pass(patience + time.Second); code != protocol.CodeUnavailable {
		t.Errorf("while the store is away: %d", code)
	}
}

func TestVerify(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	const keys = 2*verifyMost + 10
	for i := range keys {
		r.publish(fmt.Sprint("k", i), 1, 2)
	}
	epochs := make(map[string]history.Epoch)
	for i := range keys {
		key := fmt.Sprint("k", i)
		epochs[key] = r.top(key).Epoch
	}
	r.forgetful()
	r.store.Counts()
	told := make(map[string]uint64)
	verify := func() {
		for i := range keys + 1 {
			key := fmt.Sprint("k", i)
			at := history.Position{Offset: 2, Epoch: epochs[key]}
			if i%10 == 0 {
				at.Offset = 1
			}
			r.Verify(key, r.rule, at, func(top history.Position) { told[key] = top.Offset })
		}
	}
	r.store.SetAway(true)
	verify()
	r.pass(time.Second)
	r.store.SetAway(false)
	r.store.Counts()
	r.pass(3 * time.Second)
	if n := r.store.Counts(); n.Lasts != 3 || n.Reads != 0 {
		t.Errorf("%d calls for the last ones, want 3; %d reads", n.Lasts, n.Reads)
	}
	if len(told) != (keys+9)/10 || told["k0"] != 2 || told["k1"] != 0 {
		t.Errorf("told %d", len(told))
	}

	// Of a log that is open nobody has to be asked, but for one that waits.
	clear(told)
	r.top("k0")
	r.store.Counts()
	r.Verify("k0", r.rule, history.Position{Offset: 1, Epoch: epochs["k0"]}, func(top history.Position) { told["k0"] = top.Offset })
	if told["k0"] != 2 || r.store.Counts().Lasts > 0 {
		t.Errorf("told %v", told)
	}
}
