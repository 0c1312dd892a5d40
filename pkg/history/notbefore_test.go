package history

import (
	"testing"
	"time"
)

// plainShell keeps what a log asks for until the test answers.
type plainShell struct {
	data      []byte
	after     uint64
	loads     int
	delivered []Position
	acked     []Position
	refused   []error
}

func (s *plainShell) Append(_ *Log, after uint64, data []byte)        { s.after, s.data = after, data }
func (s *plainShell) Load(*Log, uint64, bool)                         { s.loads++ }
func (s *plainShell) Frame(_ *Log, p *Publication, _ Position) []byte { return p.Payload }
func (s *plainShell) Ack(_ *Log, _ *Item, at Position, _ bool)        { s.acked = append(s.acked, at) }
func (s *plainShell) Refuse(_ *Log, _ *Item, err error)               { s.refused = append(s.refused, err) }
func (s *plainShell) Deliver(l *Log, _ *Item, r *Recent) {
	s.delivered = append(s.delivered, Position{r.Offset, l.Top().Epoch})
}

// A room that is made anew has nothing of an earlier one of that name: neither its numbering, nor its messages, nor its ids.
func TestNotBefore(t *testing.T) {
	began := time.UnixMilli(1_763_856_000_000)
	for name, clock := range map[string]time.Duration{"after": time.Second, "the same": 0, "by a clock that is behind": -time.Minute} {
		t.Run(name, func(t *testing.T) {
			now := began.Add(clock)
			old := Entry{Epoch: NewEpoch(began.Add(-time.Millisecond), 7), First: 41, Publications: []Publication{
				{User: "u", MessageID: "m", Given: true, Payload: []byte("old")},
			}}
			s := &plainShell{}
			l := NewLog("k", &Rule{Size: 10, Age: time.Hour}, s, time.Minute, 1)
			l.NotBefore = began
			it := func() *Item {
				return &Item{Publication: Publication{User: "u", MessageID: "m", Given: true, Payload: []byte("new")}, Until: now.Add(time.Minute)}
			}
			if err := l.Publish(it(), now); err != nil || s.loads != 1 {
				t.Fatalf("published: %v, %d loads", err, s.loads)
			}
			l.Loaded(Tail{Last: 9, Entries: []Stored{{Seq: 9, Time: now, Data: old.Encode()}}}, nil, now)
			if top := l.Top(); top.Offset != 0 || top.Epoch.Born() || len(s.delivered) > 0 || l.Remembered() > 0 {
				t.Fatalf("the new one is at %v, delivered %v", top, s.delivered)
			}
			if s.after != 9 {
				t.Fatalf("writes behind %d, want 9", s.after)
			}
			var e Entry
			if err := e.Decode(s.data); err != nil || e.First != 1 || e.Epoch.Before(began) {
				t.Fatalf("writes %+v, %v", e, err)
			}
			if e.Epoch <= old.Epoch {
				t.Error("the new numbering is not later than the old one")
			}
			l.Appended(12, nil, now)
			want := Position{1, e.Epoch}
			if len(s.acked) != 1 || s.acked[0] != want || len(s.delivered) != 1 || s.delivered[0] != want {
				t.Fatalf("acked %v, delivered %v, want %v", s.acked, s.delivered, want)
			}
			_ = l.Publish(it(), now)
			if len(s.acked) != 2 || s.acked[1] != want {
				t.Errorf("a repetition is acked %v", s.acked)
			}

			// The next owner reads both.
			next := NewLog("k", l.Rule, s, time.Minute, 2)
			next.NotBefore = began
			next.Stale(now)
			next.Loaded(Tail{Last: 12, Entries: []Stored{{Seq: 9, Time: now, Data: old.Encode()}, {Seq: 12, Time: now, Data: e.Encode()}}}, nil, now)
			if next.Top() != want || next.Seq() != 12 {
				t.Errorf("the next owner is at %v, %d", next.Top(), next.Seq())
			}
			if _, v := next.Judge(Position{41, old.Epoch}, now); v == Whole || v == Look {
				t.Errorf("a position of the old one is judged %d", v)
			}
		})
	}
}

// That nothing of its own is there does not change with what is read again.
func TestNotBeforeReadAgain(t *testing.T) {
	began := time.UnixMilli(1_763_856_000_000)
	now := began.Add(time.Second)
	old := Entry{Epoch: NewEpoch(began.Add(-time.Hour), 7), First: 1, Publications: []Publication{{User: "u", MessageID: "m"}}}
	s := &plainShell{}
	l := NewLog("k", &Rule{Size: 10, Age: time.Hour}, s, time.Minute, 1)
	l.NotBefore = began
	tail := Tail{Last: 4, Entries: []Stored{{Seq: 4, Time: now, Data: old.Encode()}}}
	for range 2 {
		l.Stale(now)
		l.Loaded(tail, nil, now)
		if !l.Known() || l.Top().Offset != 0 || l.Top().Epoch != Unborn(now) || l.Seq() != 4 {
			t.Fatalf("at %v, %d", l.Top(), l.Seq())
		}
	}
	var then error
	called := false
	l.After(now, now.Add(time.Second), func(err error) { then, called = err, true })
	if !called || then != nil {
		t.Errorf("called %v, %v", called, then)
	}
}

func TestStoring(t *testing.T) {
	now := time.UnixMilli(1_763_856_000_000)
	s := &plainShell{}
	l := NewLog("k", &Rule{Size: 10, Age: time.Hour}, s, time.Minute, 1)
	l.After(now, now.Add(time.Second), func(error) {})
	if l.Storing() || !l.Busy() {
		t.Errorf("one that only waits: storing %v, busy %v", l.Storing(), l.Busy())
	}
	_ = l.Publish(&Item{Publication: Publication{User: "u", MessageID: "m"}, Until: now.Add(time.Second)}, now)
	if !l.Storing() {
		t.Error("one that has a publication to store does not say so")
	}
	l.Loaded(Tail{}, nil, now)
	l.Appended(3, nil, now)
	if l.Storing() || l.Busy() {
		t.Errorf("one that has stored all: storing %v, busy %v", l.Storing(), l.Busy())
	}
}
