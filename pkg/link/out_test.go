package link

import (
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// sender is an Out, and what it sent, by sequence number.
type sender struct {
	*Out
	pool Pool
	now  time.Time
	sent []uint64
	base uint64 // of the last one sent
}

func newSender() *sender {
	s := &sender{now: time.Unix(1000, 0)}
	s.Out = NewOut(Config{
		Subject: "rt.up.x.0", Refuse: "rt.refuse.y.0", Bound: 64 << 20, Pool: &s.pool,
		Send: func(_, _ string, b []byte) error {
			h, err := wire.ParseHeader(b)
			s.sent, s.base = append(s.sent, h.Seq), h.Base
			return err
		},
	})
	return s
}

// write seals n batches.
func (s *sender) write(n int) {
	for range n {
		s.End(wire.AppendMark(s.Begin(1, s.now), wire.KindSynced, wire.Mark{}), s.now)
		s.Flush(s.now)
	}
}

// wait lets time pass as its owner would.
func (s *sender) wait(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(100 * time.Millisecond)
		s.Tick(s.now)
	}
}

// expect holds what was sent since the last time against a range.
func (s *sender) expect(t *testing.T, why string, from, to uint64) {
	t.Helper()
	ok := uint64(len(s.sent)) == to+1-from
	for i, seq := range s.sent {
		ok = ok && seq == from+uint64(i)
	}
	if !ok {
		t.Errorf("%s: sent %d batches: %.20v…; want %d to %d", why, len(s.sent), s.sent, from, to)
	}
	s.sent = s.sent[:0]
}

// A receiver that is merely slow gets a question now and then, never everything again.
func TestSlowReceiverIsNotFlooded(t *testing.T) {
	s := newSender()
	s.write(1000)
	s.expect(t, "at first", 1, 1000)
	s.wait(10 * time.Second)
	if n := len(s.sent); n < 2 || n > 12 {
		t.Errorf("%d batches sent in ten seconds of silence", n)
	}
	s.sent = s.sent[:0]
	for seq := uint64(1); seq <= 1000; seq++ { // it goes on, slowly
		s.wait(300 * time.Millisecond)
		s.Ack(seq, false, s.now)
	}
	if n := len(s.sent); n > 1 { // the last question
		t.Errorf("%d batches sent again to a receiver that took them all", n)
	}
	if s.Held() != 0 {
		t.Errorf("%d bytes held at the end", s.Held())
	}
}

// What is under way is bounded; the rest follows the acknowledgements.
func TestWindow(t *testing.T) {
	s := newSender()
	s.write(3 * windowBatches)
	s.expect(t, "without an acknowledgement", 1, windowBatches)
	if !s.Full() {
		t.Error("the window is not full")
	}
	s.Ack(100, false, s.now)
	s.expect(t, "after 100 were acknowledged", windowBatches+1, windowBatches+100)
	s.Reconnected(s.now)
	s.expect(t, "after a reconnect", 101, windowBatches+100)
	s.Ack(3*windowBatches-10, false, s.now) // of those that it had before
	s.expect(t, "after a leap", 3*windowBatches-9, 3*windowBatches)
	if s.Full() {
		t.Error("the window is full")
	}

	s = newSender()
	big := make([]byte, wire.MaxBatch)
	for range 100 {
		s.End(wire.AppendReply(s.Begin(1, s.now), &wire.Reply{Frame: big}), s.now)
	}
	if got, want := len(s.sent), windowBytes/wire.MaxBatch; got != want {
		t.Errorf("%d big batches sent, want %d", got, want)
	}
}

// The last batches of a burst are lost, and nothing follows that would show it.
func TestLostTail(t *testing.T) {
	s := newSender()
	var in In
	s.write(100)
	for seq := uint64(1); seq <= 50; seq++ {
		in.Take(wire.Header{Seq: seq, Base: 1}, 1)
	}
	s.ackFrom(&in)
	s.sent = s.sent[:0]
	s.wait(resendAfter)
	s.expect(t, "after a silence", 100, 100)
	if s.base != 51 {
		t.Errorf("sent again with %d as the oldest held", s.base)
	}
	in.Take(wire.Header{Seq: 100, Base: s.base}, 1)
	if owed, now := in.Due(); !owed || !now {
		t.Fatal("the receiver does not ask at once for what it missed")
	}
	s.ackFrom(&in)
	s.expect(t, "when asked", 51, 100)
}

func (s *sender) ackFrom(in *In) {
	seq, again := in.Ack()
	s.Ack(seq, again, s.now)
}

// A batch that never gets through must not make the rest go round in circles.
func TestAskingInCircles(t *testing.T) {
	s := newSender()
	s.write(10)
	s.sent = s.sent[:0]
	for range 1000 {
		s.Ack(3, true, s.now)
	}
	s.expect(t, "asked a thousand times", 4, 10)
	for range 100 {
		s.wait(100 * time.Millisecond)
		s.Ack(3, true, s.now)
	}
	if n := len(s.sent); n < 2*8 || n > 12*8 {
		t.Errorf("%d batches sent in ten seconds of asking for the same", n)
	}
	s.sent = s.sent[:0]
	s.Ack(5, true, s.now)
	s.expect(t, "asked for what comes next", 6, 10)
}

// A reconnect forgets how long the silence was.
func TestReconnectIsPatientAgain(t *testing.T) {
	s := newSender()
	s.write(3)
	s.Ack(0, true, s.now)
	s.wait(time.Minute)
	s.Reconnected(s.now)
	s.sent = s.sent[:0]
	s.Ack(0, true, s.now)
	s.expect(t, "asked after a reconnect", 1, 3)
	s.wait(resendAfter)
	s.expect(t, "after a short silence", 3, 3)
}

func TestForeignAcks(t *testing.T) {
	s := newSender()
	s.write(10)
	s.Ack(5, false, s.now)
	s.sent = s.sent[:0]
	s.Ack(11, false, s.now) // never sent
	s.Ack(4, true, s.now)   // overtaken by the other
	if s.Acked() != 5 || len(s.sent) != 0 {
		t.Errorf("acknowledged %d, sent again %v", s.Acked(), s.sent)
	}
}

// never tells which of the held batches are certain not to have arrived.
func (s *sender) never() (list []bool) {
	for _, certain := range s.Unacked {
		list = append(list, certain)
	}
	return list
}

func TestNever(t *testing.T) {
	tests := []struct {
		name string
		do   func(*sender)
		from int // the first of batches 1–200 that is certain; 0: none
	}{
		{"nothing refused", func(*sender) {}, 0},
		{"one refused", func(s *sender) { s.Refused(0, 5) }, 5},
		{"the last one refused", func(s *sender) { s.Refused(0, 200) }, 200},
		{"all refused", func(s *sender) {
			for seq := uint64(1); seq <= 200; seq++ {
				s.Refused(0, seq)
			}
		}, 1},
		{"another link's", func(s *sender) { s.Refused(1, 5) }, 0},
		{"never sent", func(s *sender) { s.Refused(0, 0); s.Refused(0, 201); s.Refused(0, 1<<63) }, 0},
		{"sent again, refused once", func(s *sender) { s.Refused(0, 5); s.Reconnected(s.now) }, 0},
		{"sent again, refused twice", func(s *sender) { s.Refused(0, 5); s.Reconnected(s.now); s.Refused(0, 5) }, 5},
		{"sent twice before it was refused", func(s *sender) { s.Reconnected(s.now); s.Refused(0, 5) }, 0},
		{"and then again", func(s *sender) { s.Reconnected(s.now); s.Refused(0, 5); s.Refused(0, 5) }, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSender()
			s.write(200)
			tt.do(s)
			for i, certain := range s.never() {
				if want := tt.from > 0 && i+1 >= tt.from; certain != want {
					t.Fatalf("batch %d: certain %v, want %v", i+1, certain, want)
				}
			}
		})
	}
}

// The receiver took many batches and died before it acknowledged any; what is sent
// afterwards is refused. (A refusal once was matched by its number modulo 64.)
func TestNeverWithManyUnderWay(t *testing.T) {
	s := newSender()
	s.write(64)
	s.write(1)
	s.Refused(0, 65)
	for i, certain := range s.never() {
		if certain != (i == 64) {
			t.Fatalf("batch %d: certain %v", i+1, certain)
		}
	}
}

// What waits for the window was never sent, and what is under construction neither.
func TestNeverSent(t *testing.T) {
	s := newSender()
	s.write(windowBatches + 10)
	s.End(wire.AppendMark(s.Begin(1, s.now), wire.KindSynced, wire.Mark{}), s.now)
	never := s.never()
	if len(never) != windowBatches+11 {
		t.Fatalf("%d batches told of", len(never))
	}
	for i, certain := range never {
		if want := i >= windowBatches; certain != want {
			t.Fatalf("batch %d: certain %v, want %v", i+1, certain, want)
		}
	}
	told := 0
	for range s.Unacked {
		if told++; told == 3 {
			break
		}
	}
}

func TestViewsAreNotMixed(t *testing.T) {
	s := newSender()
	for _, view := range []uint64{1, 1, 2, 1} {
		s.End(wire.AppendMark(s.Begin(view, s.now), wire.KindSynced, wire.Mark{View: view}), s.now)
	}
	s.Flush(s.now)
	var views []uint64
	for b := range s.Unacked {
		h, err := wire.ParseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, h.View)
		for rec, err := range wire.Records(b) {
			var m wire.Mark
			if err != nil || m.Decode(rec.Body) != nil || m.View != h.View {
				t.Errorf("a record of view %d in a batch of view %d (%v)", m.View, h.View, err)
			}
		}
	}
	if len(views) != 3 || views[0] != 1 || views[1] != 2 || views[2] != 1 {
		t.Errorf("batches of the views %v", views)
	}
	if st := s.TakeStats(); st.Batches != 3 || st.Records != 4 || st.Resent != 0 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
	if st := s.TakeStats(); st != (Stats{}) {
		t.Errorf("the second time %+v", st)
	}
}

// In the steady state a batch costs no allocation, at either end.
func TestAllocations(t *testing.T) {
	s := newSender()
	s.cfg.Send = func(_, _ string, b []byte) error {
		s.base = uint64(len(b))
		return nil
	}
	s.cfg.Number = 12345
	var in In
	payload := make([]byte, 300)
	turn := func() {
		s.now = s.now.Add(time.Millisecond)
		for range 10 {
			s.End(wire.AppendReply(s.Begin(1, s.now), &wire.Reply{Frame: payload}), s.now)
			s.Flush(s.now)
			in.Take(wire.Header{Seq: s.Sent(), Base: s.Acked() + 1}, 300)
		}
		s.Tick(s.now)
		s.Refused(1, s.Sent())
		s.ackFrom(&in)
	}
	for range 100 {
		turn()
	}
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("%v allocations for ten batches", n)
	}
	if s.Held() != 0 {
		t.Errorf("%d bytes held", s.Held())
	}
}

func BenchmarkBatch(b *testing.B) {
	s := newSender()
	s.cfg.Send = func(_, _ string, _ []byte) error { return nil }
	payload := make([]byte, 300)
	for b.Loop() {
		s.End(wire.AppendReply(s.Begin(1, s.now), &wire.Reply{Frame: payload}), s.now)
		s.Flush(s.now)
		s.Ack(s.Sent(), false, s.now)
	}
}
