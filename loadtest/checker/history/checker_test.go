package history

import (
	"fmt"
	"slices"
	"testing"
)

func judge(events []event, cfg Config) *Verdict {
	c := New(cfg)
	for _, e := range events {
		e.tell(c)
	}
	return c.Check()
}

func TestRightRunsPass(t *testing.T) {
	var sum Counts
	for seed := range uint64(500) {
		v := judge(script(seed, 10+int(seed)), config())
		if !v.OK() {
			t.Fatalf("seed %d: %v", seed, v.Violations)
		}
		sum.Acked += v.Acked
		sum.Duplicates += v.Duplicates
		sum.Dropped += v.Dropped
		sum.Deliveries += v.Deliveries
	}
	if sum.Acked < 1000 || sum.Duplicates < 100 || sum.Dropped < 100 || sum.Deliveries < 1000 {
		t.Errorf("the runs show too little: %+v", sum)
	}
}

// mutation breaks a right run at event i. It returns nil where it cannot, or where that breaks no promise.
type mutation struct {
	name string
	do   func(events []event, i int) []event
	want []Kind // one of these must be found
}

func replace(events []event, i int, e event) []event {
	events = slices.Clone(events)
	events[i] = e
	return events
}

func insert(events []event, i int, e event) []event { return slices.Insert(slices.Clone(events), i, e) }

func remove(events []event, i int) []event { return slices.Delete(slices.Clone(events), i, i+1) }

// next finds the next event behind i of the same reader and key, on the same connection.
func next(events []event, i int) int {
	e := events[i]
	for j := i + 1; j < len(events); j++ {
		f := events[j]
		if f.op == "connected" && f.who == e.who {
			return -1
		}
		if f.who == e.who && f.key == e.key && slices.Contains([]string{"delivered", "begun", "anew", "recovered", "resumed"}, f.op) {
			if f.op != "delivered" {
				return -1
			}
			return j
		}
	}
	return -1
}

// given is whether a reader gives up what it missed before it gets more, so that a loss shows nowhere.
func given(events []event, i int) bool {
	e := events[i]
	for _, f := range events[i+1:] {
		if f.who != e.who || f.key != e.key {
			continue
		}
		switch f.op {
		case "begun", "anew":
			return true
		case "delivered":
			if f.at.Offset > e.at.Offset {
				return false
			}
			if f.at.Offset == e.at.Offset {
				return true // it came again
			}
		}
	}
	return false
}

// follows is whether a delivery is not the first of a key on its connection.
func follows(events []event, i int) bool {
	for j := i - 1; j >= 0; j-- {
		if f := events[j]; f.who == events[i].who && (f.op == "connected" || f.key == events[i].key) {
			return f.op == "delivered"
		}
	}
	return false
}

func strict(e event) bool { return e.who < nReaders-1 }

func is(op string, f func(events []event, i int) []event) func([]event, int) []event {
	return func(events []event, i int) []event {
		if events[i].op != op {
			return nil
		}
		return f(events, i)
	}
}

var mutations = []mutation{
	{"a delivery is lost", is("delivered", func(es []event, i int) []event {
		if !strict(es[i]) || es[i].redundant || given(es, i) {
			return nil
		}
		return remove(es, i)
	}), []Kind{Lost}},
	{"a delivery by pattern is lost", is("delivered", func(es []event, i int) []event {
		if strict(es[i]) || next(es, i) < 0 || i == 0 || !follows(es, i) {
			return nil
		}
		return remove(es, i)
	}), []Kind{Gap}},
	{"a delivery comes twice", is("delivered", func(es []event, i int) []event {
		return insert(es, i, es[i])
	}), []Kind{Doubled}},
	{"two deliveries are swapped", is("delivered", func(es []event, i int) []event {
		j := next(es, i)
		if j < 0 {
			return nil
		}
		es = slices.Clone(es)
		es[i], es[j] = es[j], es[i]
		return es
	}), []Kind{Order}},
	{"a reader sees another message there", is("delivered", func(es []event, i int) []event {
		e := es[i]
		e.m = Message{e.m.Writer, e.m.N + 1}
		return replace(es, i, e)
	}), []Kind{Forked, Unknown, Repeated}},
	{"a reader sees a message there that nobody sent", is("delivered", func(es []event, i int) []event {
		e := es[i]
		e.m.N += 10000
		return replace(es, i, e)
	}), []Kind{Unknown}},
	{"a reader sees a message of another key", is("delivered", func(es []event, i int) []event {
		e := es[i]
		e.key = 1 - e.key
		return replace(es, i, e)
	}), []Kind{Unknown}},
	{"a reader sees another epoch", is("delivered", func(es []event, i int) []event {
		e := es[i]
		e.at.Epoch = "other"
		return replace(es, i, e)
	}), []Kind{Reborn, Repeated}},
	{"a message is stored again at the end", is("acked", func(es []event, i int) []event {
		top := es[i].at
		for _, e := range es {
			if e.op == "top" && e.key == es[i].key {
				top = e.at
			}
		}
		top.Offset++
		return append(slices.Clone(es), event{op: "kept", key: es[i].key, at: top, m: es[i].m}, event{op: "top", key: es[i].key, at: top})
	}), []Kind{Repeated}},
	{"a reader is handed a message again under a new offset", is("delivered", func(es []event, i int) []event {
		e := es[i]
		last := e
		for _, f := range es {
			if f.op == "top" && f.key == e.key {
				last.at.Offset = f.at.Offset + 1
			}
		}
		return append(slices.Clone(es), last)
	}), []Kind{Repeated}},
	{"an Ack tells another offset", is("acked", func(es []event, i int) []event {
		e := es[i]
		e.at.Offset++
		return replace(es, i, e)
	}), []Kind{Forked, Repeated}},
	{"an Ack tells another epoch", is("acked", func(es []event, i int) []event {
		e := es[i]
		e.at.Epoch = "other"
		return replace(es, i, e)
	}), []Kind{Reborn, Repeated}},
	{"an Ack tells no offset", is("acked", func(es []event, i int) []event {
		e := es[i]
		e.at = Position{}
		return replace(es, i, e)
	}), []Kind{Misnumbered}},
	{"an Ack never comes", is("acked", remove), []Kind{Unanswered}},
	{"what was sent once is called a duplicate", is("acked", func(es []event, i int) []event {
		for _, f := range es[:i] {
			if f.op == "sent" && f.m == es[i].m && es[i].yes {
				return nil // it was sent twice
			}
		}
		n := 0
		for _, f := range es[:i] {
			if f.op == "sent" && f.m == es[i].m {
				n++
			}
		}
		if n > 1 {
			return nil
		}
		e := es[i]
		e.yes = true
		return replace(es, i, e)
	}), []Kind{FalseDuplicate}},
	{"History has not what was acked", is("kept", remove), []Kind{Forgotten}},
	{"History has something else there", is("kept", func(es []event, i int) []event {
		if i+1 == len(es) || es[i+1].op != "kept" {
			return nil
		}
		es = slices.Clone(es)
		es[i].m, es[i+1].m = es[i+1].m, es[i].m
		return es
	}), []Kind{Forked}},
	{"History ends before its end", is("top", func(es []event, i int) []event {
		if es[i].at.Offset == 0 || es[i-1].op != "kept" {
			return nil
		}
		es = slices.Clone(es)
		es[i].at.Offset--
		return remove(es, i-1)
	}), []Kind{Forgotten}},
	{"History ends behind its end", is("top", func(es []event, i int) []event {
		es = slices.Clone(es)
		es[i].at.Offset++
		return es
	}), []Kind{Misnumbered}},
	{"a writer's messages are stored the other way round", func(es []event, i int) []event {
		a := es[i]
		if a.op != "acked" {
			return nil
		}
		for j := i + 1; j < len(es); j++ {
			b := es[j]
			before := slices.ContainsFunc(es[:i], func(e event) bool { return e.op == "sent" && e.m == b.m })
			if b.op == "sent" && b.key == a.key && b.m.Writer == a.m.Writer && b.m.N > a.m.N && !before {
				return exchange(es, a.m, b.m)
			}
		}
		return nil
	}, []Kind{WriterOrder}},
	{"a reader is told a position beyond the end", is("begun", func(es []event, i int) []event {
		e := es[i]
		e.at.Offset += 100
		return replace(es, i, e)
	}), []Kind{Misnumbered}},
	{"a reader is told that it misses something, and it does", is("delivered", func(es []event, i int) []event {
		e := es[i]
		if !strict(e) || e.redundant || next(es, i) < 0 {
			return nil
		}
		e.op = "gap"
		return replace(es, i, e)
	}), []Kind{Needless}},
	{"a reader is told that it misses less than it does", is("delivered", func(es []event, i int) []event {
		e := es[i]
		if !strict(e) || e.redundant {
			return nil
		}
		j := next(es, i)
		if j < 0 || next(es, j) < 0 {
			return nil
		}
		e.op = "gap"
		return replace(remove(es, j), i, e)
	}), []Kind{Gap}},
	{"a reader gets what it did not ask for", is("begun", remove), []Kind{Uninvited}},
	{"a reader gets what it has given up", is("delivered", func(es []event, i int) []event {
		if !strict(es[i]) {
			return nil
		}
		e := es[i]
		e.op = "left"
		return insert(es, i, e)
	}), []Kind{Uninvited}},
}

// exchange swaps two messages wherever they are seen.
func exchange(es []event, a, b Message) []event {
	es = slices.Clone(es)
	for i := range es {
		if es[i].op != "delivered" && es[i].op != "kept" {
			continue
		}
		switch es[i].m {
		case a:
			es[i].m = b
		case b:
			es[i].m = a
		}
	}
	var at [2]Position
	for _, e := range es {
		if e.op == "kept" && e.m == a {
			at[0] = e.at
		}
		if e.op == "kept" && e.m == b {
			at[1] = e.at
		}
	}
	for i := range es {
		if es[i].op == "acked" && es[i].m == a {
			es[i].at = at[0]
		}
		if es[i].op == "acked" && es[i].m == b {
			es[i].at = at[1]
		}
	}
	return es
}

func TestEveryMutationIsNoticed(t *testing.T) {
	for _, mu := range mutations {
		t.Run(mu.name, func(t *testing.T) {
			tried := 0
			for seed := range uint64(12) {
				events := script(seed, 60)
				for i := range events {
					broken := mu.do(events, i)
					if broken == nil {
						continue
					}
					if events[i].op == "begun" && mu.want[0] == Uninvited && !delivered(events, i) {
						continue
					}
					tried++
					v := judge(broken, config())
					if !slices.ContainsFunc(mu.want, func(k Kind) bool { return v.Found[k] > 0 }) {
						t.Fatalf("seed %d, event %d (%s): found only %v\n%s", seed, i, events[i], v.Violations, list(broken))
					}
				}
			}
			if tried < 5 {
				t.Errorf("only tried %d times", tried)
			}
		})
	}
}

// delivered reports whether the first that a reader heard of a key was event i, and that something followed.
func delivered(es []event, i int) bool {
	for _, f := range es[:i] {
		if f.who == es[i].who && f.key == es[i].key && f.op == "begun" {
			return false
		}
	}
	j := next(es, i)
	return j >= 0
}

func list(events []event) (text string) {
	for i, e := range events {
		text += fmt.Sprintf("%3d %s\n", i, e)
	}
	return text
}

func TestWhatIsFlaggedAndGoneIsNoViolation(t *testing.T) {
	c := New(Config{Keys: 1, Writers: 1, Readers: 1, Size: 3})
	at := func(n int) Position { return Position{uint64(n), "e"} }
	c.Begun(0, 0, Position{0, "unborn"})
	for n := range 10 {
		c.Sent(Message{0, uint32(n)}, 0)
		c.Acked(Message{0, uint32(n)}, at(n+1), false, 1)
	}
	c.Delivered(0, 0, at(1), Message{0, 0})
	if c.Behind() != 1 {
		t.Error("the reader is behind, and nobody says so")
	}
	c.Connected(0)
	c.Recovered(0, 0, at(10), false)
	for n := 7; n < 10; n++ {
		c.Delivered(0, 0, at(n+1), Message{0, uint32(n)})
	}
	for n := 7; n < 10; n++ {
		c.Kept(0, at(n+1), Message{0, uint32(n)})
	}
	c.Top(0, at(10))
	if v := c.Check(); !v.OK() || v.Flagged != 1 || v.Missed != 6 || c.Behind() != 0 {
		t.Errorf("%+v", v)
	}
}

func TestAMillionMessagesFitIntoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	const n, keys = 1_000_000, 10
	c := New(Config{Keys: keys, Writers: 1, Readers: 1})
	for k := range keys {
		c.Begun(0, k, Position{0, "unborn"})
	}
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			c = New(Config{Keys: keys, Writers: 1, Readers: 1})
			for k := range keys {
				c.Begun(0, k, Position{0, "unborn"})
			}
			for i := range n {
				m, at := Message{0, uint32(i)}, Position{uint64(i/keys + 1), "e"}
				c.Sent(m, i%keys)
				c.Acked(m, at, false, 1)
				c.Delivered(0, i%keys, at, m)
			}
		}
	})
	if v := c.Check(); !v.OK() || v.Acked != n {
		t.Errorf("%+v", v.Violations)
	}
	if per := got.AllocedBytesPerOp() / n; per > 200 {
		t.Errorf("%d bytes are allocated for each message", per)
	}
	t.Logf("%v and %d bytes a message", got.T/(n*1), got.AllocedBytesPerOp()/n)
}
