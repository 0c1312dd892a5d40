package history

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// rig is a Log with a shell that writes down what it is told to do, and a chain.
type rig struct {
	*testing.T
	*Log
	now    time.Time
	chain  chain
	after  uint64 // of the write under way
	data   []byte // nil: none is
	loads  int    // reads under way: 0 or 1
	fresh  bool
	since  uint64
	told   []string
	inside func(what string) // what somebody does meanwhile
}

func newRig(t *testing.T) *rig {
	r := &rig{T: t, now: modelNow}
	r.Log = NewLog("key", &Rule{Size: 1000, Age: time.Hour}, r, modelWindow, 7)
	return r
}

func (r *rig) note(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	r.told = append(r.told, what)
	if r.inside != nil {
		r.inside(what)
	}
}

func (r *rig) Append(_ *Log, after uint64, data []byte) {
	if r.data != nil || r.loads > 0 {
		r.Fatal("two things under way")
	}
	r.after, r.data = after, data
	var e Entry
	if err := e.Decode(data); err != nil {
		r.Fatal(err)
	}
	ids := make([]string, len(e.Publications))
	for i, p := range e.Publications {
		ids[i] = p.MessageID
	}
	r.note("write %d:%s", e.First, strings.Join(ids, ","))
}

func (r *rig) Load(_ *Log, after uint64, fresh bool) {
	if r.data != nil || r.loads > 0 {
		r.Fatal("two things under way")
	}
	r.since, r.fresh = after, fresh
	r.loads++
	r.note("load")
}

func (r *rig) Frame(_ *Log, p *Publication, at Position) []byte {
	return fmt.Appendf(nil, "%s@%d", p.MessageID, at.Offset)
}

func (r *rig) Deliver(_ *Log, it *Item, recent *Recent) {
	if it == nil {
		r.note("deliver %s of others", recent.Frame)
		return
	}
	r.note("deliver %s", recent.Frame)
}

func (r *rig) Ack(_ *Log, it *Item, at Position, duplicate bool) {
	if duplicate {
		r.note("ack %s@%d again", it.MessageID, at.Offset)
		return
	}
	r.note("ack %s@%d", it.MessageID, at.Offset)
}

func (r *rig) Refuse(_ *Log, it *Item, err error) { r.note("refuse %s: %s", it.MessageID, short(err)) }

func short(err error) string {
	for _, known := range []error{ErrConflict, ErrUnavailable, ErrRefused, ErrFull} {
		if errors.Is(err, known) {
			return strings.TrimPrefix(known.Error(), "history: ")
		}
	}
	return fmt.Sprint(err)
}

// publish publishes, by id; one that begins with a dot is not the sender's.
func (r *rig) publish(ids ...string) {
	r.Helper()
	for _, id := range ids {
		it := &Item{Publication: Publication{User: "u", MessageID: id, Given: id[0] != '.'}, Until: r.now.Add(4 * time.Second)}
		if err := r.Publish(it, r.now); err != nil {
			r.Fatal(err)
		}
	}
}

// then asks for an After.
func (r *rig) then(name string) {
	r.After(r.now, r.now.Add(4*time.Second), func(err error) {
		if err != nil {
			name += ": " + short(err)
		}
		r.note("then %s at %d", name, r.Top().Offset)
	})
}

// write has the write under way take place, and answered.
func (r *rig) write() {
	r.Helper()
	r.answer(r.arrive())
}

// arrive has the write under way take place, without an answer.
func (r *rig) arrive() (uint64, error) {
	r.Helper()
	if r.data == nil {
		r.Fatal("nothing is being written")
	}
	return r.chain.add(r.after, r.data, r.now)
}

func (r *rig) answer(seq uint64, err error) {
	r.data = nil
	r.Appended(seq, err, r.now)
}

// load has the read under way take place, and answered.
func (r *rig) load() { r.Helper(); r.loaded(nil) }

func (r *rig) loaded(err error) {
	r.Helper()
	if r.loads == 0 {
		r.Fatal("nothing is being read")
	}
	r.loads--
	t := r.chain.tail(r.since, r.fresh, r.now.Add(-modelWindow))
	if err != nil {
		t = Tail{}
	}
	r.Loaded(t, err, r.now)
}

// foreign has another owner write an entry.
func (r *rig) foreign(epoch Epoch, first uint64, ids ...string) {
	r.Helper()
	e := Entry{Epoch: epoch, First: first}
	for _, id := range ids {
		e.Publications = append(e.Publications, Publication{User: "u", MessageID: id, Given: id[0] != '.'})
	}
	if _, err := r.chain.add(r.chain.last(), e.Encode(), r.now); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) wait(d time.Duration) {
	r.now = r.now.Add(d)
	r.Tick(r.now)
}

// expect checks what was told since the last time.
func (r *rig) expect(want ...string) {
	r.Helper()
	if !slices.Equal(r.told, want) {
		r.Fatalf("got  %s\nwant %s", strings.Join(r.told, " | "), strings.Join(want, " | "))
	}
	r.told = nil
}
