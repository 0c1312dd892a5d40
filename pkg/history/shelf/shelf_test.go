package shelf

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

func TestPublish(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	r.publish("a", 1, 3)
	r.Publish("a", r.rule, item("m2", "2"))
	r.settle()
	if want := []string{"a 1 1", "a 2 2", "a 3 3"}; !slices.Equal(r.delivered, want) {
		t.Errorf("delivered %q, want %q", r.delivered, want)
	}
	if want := []string{"a 1 m1 false", "a 2 m2 false", "a 3 m3 false", "a 2 m2 true"}; !slices.Equal(r.acked, want) {
		t.Errorf("acked %q, want %q", r.acked, want)
	}
	r.forgetful()
	r.Publish("a", r.rule, item("m3", "3"))
	r.publish("a", 4, 4)
	if got := strings.Join(r.acked[4:], ", "); got != "a 3 m3 true, a 4 m4 false" {
		t.Errorf("the next owner acked %s", got)
	}
}

// While the store is away what comes is refused, in time, and what waits behind it goes on.
func TestStoreAway(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	r.publish("a", 1, 1)
	r.store.SetAway(true)
	var order []string
	r.Publish("a", r.rule, item("x", "x"))
	r.After("a", r.rule, func(_ history.Position, err error) { order = append(order, fmt.Sprint(err != nil)) })
	if !r.Storing("a") || !r.Waits("a") {
		t.Error("nothing waits")
	}
	r.others["a"] = true
	if r.pass(time.Second); r.Settled() {
		t.Error("settled, and something waits that is another's")
	}
	delete(r.others, "a")
	r.pass(patience + time.Second)
	if len(r.refused) != 1 || len(order) != 1 || order[0] != "true" || r.Waits("a") {
		t.Errorf("refused %q, then %q, waits: %v", r.refused, order, r.Waits("a"))
	}
	r.store.SetAway(false)
	r.publish("a", 2, 2)
	r.pass(2 * time.Second) // it tries again
	if got := r.acked[len(r.acked)-1]; got != "a 2 m2 false" {
		t.Errorf("then acked %s", got)
	}
}

func TestReset(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	r.publish("a", 1, 1)
	r.Publish("a", r.rule, item("x", "x"))
	called := 0
	r.After("a", r.rule, func(history.Position, error) { called++ })
	r.Reset()
	r.settle() // what was under way comes back
	if called != 1 || len(r.delivered) != 1 || len(r.logs) > 0 || len(r.busy) > 0 {
		t.Errorf("called %d, delivered %q, %d logs", called, r.delivered, len(r.logs))
	}
}

func TestDrop(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	r.publish("a", 1, 1)
	r.Publish("a", r.rule, item("x", "x"))
	r.Drop("a")
	r.Drop("b")
	r.settle()
	if len(r.refused) != 1 || r.Waits("a") {
		t.Errorf("refused %q", r.refused)
	}
	if top := r.top("a"); top.Offset != 2 { // it was being written
		t.Errorf("at %v", top)
	}
}

// What the key names is another one: it has nothing of the earlier one, which was not dropped.
func TestBegan(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	r.begun["a"] = r.now
	r.publish("a", 1, 3)
	old := r.top("a")
	r.now = r.now.Add(time.Second)
	r.begun["a"] = r.now
	if top := r.top("a"); top.Offset != 0 || top.Epoch.Born() {
		t.Fatalf("the next one is at %v", top)
	}
	told := 0
	r.forgetful()
	r.Verify("a", r.rule, old, func(history.Position) { told++ })
	if r.pass(time.Second); told > 0 {
		t.Error("told of the earlier one")
	}
	r.publish("a", 1, 2)
	if top := r.top("a"); top.Offset != 2 || top.Epoch <= old.Epoch || len(r.delivered) != 5 {
		t.Errorf("at %v, delivered %q", top, r.delivered)
	}
	// Where it is too long ago to be remembered, what is the earlier one's is not taken for it, either.
	r.now = r.now.Add(10 * time.Minute)
	r.forgetful()
	if got := r.page("a", wire.Position{Epoch: uint64(r.top("a").Epoch)}, 0); got != "1: a 1 1, a 2 2" {
		t.Errorf("the page is %s", got)
	}
}

// page fetches what follows a position.
func (r *rig) page(key string, after wire.Position, least uint64) string {
	r.Helper()
	var page *wire.Page
	r.Fetch(&wire.Fetch{Key: key, After: after, Least: least}, r.rule, func(p *wire.Page) { page = p })
	r.settle()
	switch {
	case page == nil:
		r.Fatal("no page")
	case page.Code != 0:
		return fmt.Sprint("error ", page.Code)
	}
	var list []string
	frames := page.Frames
	for i := range page.Len() {
		list = append(list, string(frames[:page.Length(i)]))
		frames = frames[page.Length(i):]
	}
	return fmt.Sprintf("%d: %s", page.First, strings.Join(list, ", "))
}

// What is remembered is bounded, and given up by those who were not used for longest.
func TestMemory(t *testing.T) {
	r := newRig(t, history.Rule{Size: 1000})
	big := strings.Repeat("x", 10<<10)
	for _, key := range []string{"a", "b", "c"} {
		for i := range 4 {
			r.Publish(key, r.rule, item(fmt.Sprint(i), big))
			r.settle()
		}
		r.now = r.now.Add(time.Second)
	}
	r.pass(sweepEvery)
	total := 0
	for key, v := range r.logs {
		n := v.Remembered()
		total += n
		if key == "a" && n > 0 || key == "c" && n == 0 {
			t.Errorf("%s remembers %d bytes", key, n)
		}
	}
	if total > r.cfg.Memory {
		t.Errorf("%d bytes are remembered, over %d", total, r.cfg.Memory)
	}
	// It is read again when it is wanted.
	if got := r.page("a", wire.Position{Epoch: uint64(r.top("a").Epoch), Offset: 2}, 0); !strings.HasPrefix(got, "3: a 3 x") || strings.Count(got, ", ") != 1 {
		t.Errorf("the page is %.40s", got)
	}
	r.pass(idleTime + sweepEvery)
	if len(r.logs) > 0 {
		t.Errorf("%d logs are open that nobody uses", len(r.logs))
	}
}

func TestTrim(t *testing.T) {
	r := newRig(t, history.Rule{Size: 64})
	r.publish("a", 1, 300)
	if r.pass(sweepEvery); r.store.Counts().Trims > 0 {
		t.Error("removes what may come again")
	}
	r.now = r.now.Add(2 * time.Minute) // DEDUPE_WINDOW is over
	r.publish("a", 301, 301)
	r.pass(sweepEvery)
	if r.store.Counts().Trims == 0 {
		t.Error("removes nothing")
	}
	first, err := r.store.Read(t.Context(), "a", 0, 1, 1)
	if err != nil || len(first) != 1 || first[0].Seq < 2 || first[0].Seq > 301-64+1 {
		t.Errorf("the store begins with %v, %v", first, err)
	}
	r.store.SetAway(true)
	r.now = r.now.Add(2 * time.Minute)
	r.pass(sweepEvery)
	r.store.SetAway(false)
	r.publish("a", 302, 302)
}

// A panic while what was stored of one key is delivered costs that key's log: it is read again, what was stored is
// recognized, and other keys go on.
func TestPanicCostsOneLog(t *testing.T) {
	r := newRig(t, history.Rule{Size: 100})
	r.publish("a", 1, 2)
	r.poison = "a 3 3"
	r.Publish("a", r.rule, item("m3", "3"))
	r.Publish("b", r.rule, item("m1", "1"))
	r.settle()
	if !slices.Equal(r.panics, []string{"poison"}) || r.failed != 1 {
		t.Errorf("panics %q, the desk was told %d times", r.panics, r.failed)
	}
	if r.logs["a"] != nil || r.logs["b"] == nil {
		t.Errorf("of a %v, of b %v is left", r.logs["a"], r.logs["b"])
	}
	r.poison = ""
	r.Publish("a", r.rule, item("m3", "3"))
	r.publish("a", 4, 4)
	// It was stored when the delivery of it failed.
	if want := []string{"a 3 m3 false", "b 1 m1 false", "a 3 m3 true", "a 4 m4 false"}; !slices.Equal(r.acked[2:], want) {
		t.Errorf("acked %q, want %q", r.acked[2:], want)
	}
}
