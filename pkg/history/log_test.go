package history

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLogGathersWhatComesInDuringAWrite(t *testing.T) {
	r := newRig(t)
	r.publish("a")
	r.expect("load")
	r.publish("b")
	r.load()
	r.expect("write 1:a,b")
	r.publish("c", ".d")
	r.then("x")
	r.publish("e")
	r.expect()
	r.write()
	r.expect("deliver a@1", "deliver b@2", "ack a@1", "ack b@2", "write 3:c,.d,e")
	r.write()
	r.expect("deliver c@3", "deliver .d@4", "deliver e@5", "ack c@3", "ack .d@4", "then x at 5", "ack e@5")
	r.then("y")
	r.expect("then y at 5")
	if r.Busy() || r.bytes != 0 || r.Top() != (Position{5, NewEpoch(modelNow, 7)}) || r.Seq() != r.chain.last() {
		t.Error(r.Busy(), r.bytes, r.Top(), r.Seq())
	}
}

func TestLogRecognizesWhatComesAgain(t *testing.T) {
	r := newRig(t)
	r.foreign(9, 41, "old")
	r.publish("a", "a", "old", "b") // the second a has to wait for the first
	r.load()
	r.expect("load", "write 42:a")
	r.publish("a")
	r.write()
	r.expect("deliver a@42", "ack a@42", "write 43:b")
	r.write()
	r.expect("deliver b@43", "ack a@42 again", "ack old@41 again", "ack b@43", "ack a@42 again")
	r.publish(".c", ".c") // ids that are not the sender's are never the same
	r.write()
	r.expect("write 44:.c", "deliver .c@44", "ack .c@44", "write 45:.c")
	r.write()
	r.expect("deliver .c@45", "ack .c@45")
	r.now = r.now.Add(modelWindow + time.Second)
	r.publish("a")
	r.expect("write 46:a")
}

func TestLogLearnsFromAConflict(t *testing.T) {
	r := newRig(t)
	r.publish("a")
	r.load()
	r.write()
	r.expect("load", "write 1:a", "deliver a@1", "ack a@1")
	r.foreign(r.Top().Epoch, 2, "b", "x")
	r.publish("b", "c")
	r.write()
	r.expect("write 2:b")
	r.publish("d")
	r.expect() // it waits a little
	r.wait(retryFirst)
	r.load()
	r.expect("load", "deliver b@2", "deliver x@3 of others", "ack b@2", "write 4:c,d")
	r.write()
	r.expect("deliver c@4", "deliver d@5", "ack c@4", "ack d@5")
}

func TestLogOfAnOutcomeThatIsUnknown(t *testing.T) {
	const away = "the store is away"
	begin := func(t *testing.T) *rig {
		r := newRig(t)
		r.publish("a", ".b")
		r.then("x")
		r.load()
		r.expect("load", "write 1:a,.b")
		return r
	}
	t.Run("it took place", func(t *testing.T) {
		r := begin(t)
		_, _ = r.arrive()
		r.answer(0, ErrUnavailable)
		r.wait(retryFirst)
		r.load()
		r.expect("load", "deliver a@1", "deliver .b@2", "ack a@1", "ack .b@2", "then x at 2")
	})
	t.Run("it did not", func(t *testing.T) {
		r := begin(t)
		r.answer(0, ErrUnavailable)
		r.wait(retryFirst)
		r.load()
		r.expect("load", "write 1:a,.b")
		r.write()
		r.expect("deliver a@1", "deliver .b@2", "ack a@1", "ack .b@2", "then x at 2")
	})
	t.Run("it takes place later", func(t *testing.T) {
		r := begin(t)
		after, data := r.after, r.data
		r.answer(0, ErrUnavailable)
		r.publish("c")
		r.wait(retryFirst)
		r.load()
		r.expect("load", "write 1:a,.b,c")
		if _, err := r.chain.add(after, data, r.now); err != nil {
			t.Fatal(err)
		}
		r.write()
		r.expect()
		r.wait(2 * retryFirst)
		r.load()
		r.expect("load", "deliver a@1", "deliver .b@2", "ack a@1", "ack .b@2", "then x at 2", "write 3:c")
	})
	t.Run("it takes place after all was given up", func(t *testing.T) {
		r := begin(t)
		after, data := r.after, r.data
		r.answer(0, ErrUnavailable)
		r.wait(5 * time.Second)
		r.expect("refuse a: "+away, "refuse .b: "+away, "then x: "+away+" at 0")
		_, _ = r.chain.add(after, data, r.now)
		r.publish("a")
		r.load()
		r.expect("load", "deliver a@1 of others", "deliver .b@2 of others", "ack a@1 again")
	})
	t.Run("it was the first one, and another owner's came first", func(t *testing.T) {
		r := begin(t)
		r.answer(0, ErrUnavailable)
		r.foreign(3, 1, "z")
		r.wait(retryFirst)
		r.load()
		r.expect("load", "deliver z@1 of others", "write 2:a,.b")
	})
}

func TestLogTellsWhatTheStoreRefuses(t *testing.T) {
	r := newRig(t)
	r.publish("a")
	r.then("x")
	r.publish("b")
	r.load()
	r.publish("c")
	r.answer(0, fmt.Errorf("append: %w", ErrRefused))
	r.expect("load", "write 1:a,b", "refuse a: the store refuses it", "then x at 0", "refuse b: the store refuses it", "write 1:c")
}

func TestLogReadsAgainUntilItCan(t *testing.T) {
	r := newRig(t)
	r.publish("a")
	r.expect("load")
	pause := retryFirst
	for range 10 {
		r.loaded(ErrUnavailable)
		r.Tick(r.now.Add(pause - time.Millisecond))
		r.publish("again")
		r.expect()
		r.queue[len(r.queue)-1].Until = r.now.Add(time.Hour)
		r.queue[0].Until = r.now.Add(time.Hour)
		r.wait(pause)
		r.expect("load")
		pause = min(2*pause, retryMost)
	}
	r.load()
	r.expect("write 1:a,again")
}

func TestLogReadsAgainWhenAReplicaIsBehind(t *testing.T) {
	r := newRig(t)
	r.foreign(9, 1, "a")
	r.foreign(9, 2, "b")
	r.then("x")
	r.loads = 0
	whole := r.chain.tail(0, true, time.Time{})
	r.Loaded(Tail{Last: whole.Last, Entries: whole.Entries[:1]}, nil, r.now)
	r.expect("load")
	r.wait(retryFirst)
	r.expect("load")
	if !r.fresh {
		t.Error("it does not know all of the window")
	}
	r.load()
	r.expect("then x at 2")
	r.publish("a", "b")
	r.expect("ack a@1 again", "ack b@2 again")
}

func TestLogGoesOnWhenAllHasExpired(t *testing.T) {
	begin := func(t *testing.T) *rig {
		r := newRig(t)
		r.publish("a")
		r.load()
		r.write()
		r.chain.expire(r.now.Add(time.Second))
		r.told = nil
		return r
	}
	t.Run("nobody can have written since", func(t *testing.T) {
		r := begin(t)
		epoch := r.Top().Epoch
		r.publish("b")
		r.write()
		r.wait(retryFirst)
		r.load()
		r.expect("write 2:b", "load", "write 2:b")
		r.write()
		r.expect("deliver b@2", "ack b@2")
		if r.Top() != (Position{2, epoch}) {
			t.Error(r.Top())
		}
	})
	t.Run("somebody may have, and it has expired, too", func(t *testing.T) {
		r := begin(t)
		epoch := r.Top().Epoch
		r.now = r.now.Add(r.Rule.Age)
		r.publish("b")
		r.write()
		r.wait(retryFirst)
		r.load()
		r.expect("write 2:b", "load", "write 1:b")
		r.write()
		r.expect("deliver b@1", "ack b@1")
		if top := r.Top(); top.Epoch <= epoch {
			t.Error(top)
		}
		if list, ok := r.Since(0, 10, 1000); !ok || len(list) != 1 {
			t.Error("it remembers what is of another numbering", list)
		}
	})
	t.Run("it looks while it stands still", func(t *testing.T) {
		r := begin(t)
		r.Tick(r.now.Add(r.Rule.Age / 5))
		r.expect()
		for range 8 {
			r.wait(r.Rule.Age/4 + time.Second)
			r.expect("load")
			r.load()
		}
		r.publish("b")
		r.expect("write 2:b") // it still knows where it stood
	})
}

func TestLogKnowsSinceWhenThereIsNothing(t *testing.T) {
	r := newRig(t)
	asked := r.now
	r.then("x")
	r.now = r.now.Add(3 * time.Second)
	r.load()
	if top := r.Top(); !top.Epoch.SeenAt().Equal(asked) {
		t.Error(top.Epoch.SeenAt())
	}
	r.now = r.now.Add(time.Minute)
	asked = r.now
	r.Stale(r.now)
	r.load()
	if top := r.Top(); !top.Epoch.SeenAt().Equal(asked) {
		t.Error(top.Epoch.SeenAt())
	}
}

func TestLogTakesOverAnotherNumbering(t *testing.T) {
	r := newRig(t)
	r.publish("a", "b")
	r.load()
	r.write()
	r.told = nil
	later := NewEpoch(r.now.Add(time.Minute), 1)
	r.chain.expire(r.now.Add(time.Second))
	r.foreign(later, 1, "c")
	r.foreign(later, 2, "d")
	r.Stale(r.now)
	r.load()
	r.expect("load", "deliver c@1 of others", "deliver d@2 of others")
	if r.Top() != (Position{2, later}) {
		t.Error(r.Top())
	}
	r.publish("a")
	r.expect("ack a@0 again") // where it was is void
}

func TestLogGoesOnBehindAHole(t *testing.T) {
	r := newRig(t)
	r.foreign(9, 1, "a")
	r.then("x")
	r.load()
	r.foreign(9, 2, "b")
	r.foreign(9, 3, "c")
	r.chain.entries = r.chain.entries[2:] // b was removed before it was read
	r.Stale(r.now)
	r.load()
	r.expect("load", "then x at 1", "load", "deliver c@3 of others")
	if _, ok := r.Since(1, 10, 1000); ok {
		t.Error("b is remembered")
	}
}

func TestLogOfAStoreThatLostItsEnd(t *testing.T) {
	r := newRig(t)
	r.publish("a")
	r.load()
	r.write()
	r.publish("b")
	r.write()
	epoch := r.Top().Epoch
	r.told = nil
	lost := r.chain.entries[1:]
	r.chain.entries = r.chain.entries[:1]
	r.publish("c")
	r.write()
	r.wait(retryFirst)
	r.load()
	r.wait(2 * retryFirst)
	r.expect("write 3:c", "load", "load")
	t.Run("for good", func(t *testing.T) {
		c := *r
		c.T, c.Log = t, cloneOf(r.Log, &c)
		c.load()
		c.write()
		c.expect("write 1:c", "deliver c@1", "ack c@1") // there was another 2 before
		if top := c.Top(); top.Epoch == epoch {
			t.Error(top)
		}
		c.publish("a", "b")
		c.expect("ack a@0 again", "write 2:b")
	})
	t.Run("so said a leader of the past", func(t *testing.T) {
		c := *r
		c.T, c.Log = t, cloneOf(r.Log, &c)
		c.load()
		c.chain.entries = append(c.chain.entries[:1:1], lost...)
		c.write()
		c.wait(4 * retryFirst)
		c.load()
		c.expect("write 1:c", "load", "deliver b@2 of others", "write 3:c")
		if top := c.Top(); top != (Position{2, epoch}) {
			t.Error(top)
		}
	})
}

func cloneOf(l *Log, shell Shell) *Log {
	c := (&modelOwner{log: l}).cloneLog()
	c.shell = shell
	return c
}

func TestLogStaleIsNotForgotten(t *testing.T) {
	r := newRig(t)
	r.then("x")
	r.expect("load")
	r.Stale(r.now) // after the read began
	r.then("y")
	r.load()
	r.expect("load")
	r.foreign(9, 1, "a")
	r.load()
	r.expect("deliver a@1 of others", "then x at 1", "then y at 1")

	r.publish("b")
	r.Stale(r.now)
	r.then("z")
	r.write()
	r.expect("write 2:b", "deliver b@2", "ack b@2", "load")
	r.loaded(ErrUnavailable)
	r.wait(retryFirst)
	r.load()
	r.expect("load", "then z at 2")
}

func TestLogGivesUpInTime(t *testing.T) {
	r := newRig(t)
	r.publish("a")
	r.then("x")
	r.now = r.now.Add(2 * time.Second)
	r.publish("b")
	r.wait(2 * time.Second)
	r.expect("load")
	r.wait(time.Millisecond)
	r.expect("refuse a: the store is away", "then x: the store is away at 0")
	r.now = r.now.Add(2 * time.Second)
	r.load() // b is too old by now to be written
	r.expect("refuse b: the store is away")

	r.publish("c")
	r.wait(10 * time.Second)
	r.expect("write 1:c") // what is being written is not given up
	r.publish("d")
	r.write()
	r.expect("deliver c@1", "ack c@1", "write 2:d")
}

func TestLogDropRefusesWhatWaits(t *testing.T) {
	r := newRig(t)
	r.publish("a")
	r.load()
	r.then("x")
	r.publish("b")
	r.told = nil
	r.Drop()
	r.expect("refuse a: the store is away", "then x: the store is away at 0", "refuse b: the store is away")
	r.write()
	r.wait(time.Minute)
	r.then("y")
	r.expect("then y: the store is away at 0")
	if err := r.Publish(&Item{}, r.now); err == nil || r.Busy() {
		t.Error("a log that is over takes a publication")
	}
	r.Stale(r.now)
	r.expect()
}

func TestLogIsBounded(t *testing.T) {
	r := newRig(t)
	for range queueMost {
		r.publish(".")
	}
	if err := r.Publish(&Item{}, r.now); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	for range queueMost {
		r.then("x")
	}
	r.expect("load")
	r.then("y")
	r.expect("then y: too much waits to be stored at 0")
	r.load()
	for r.Busy() {
		var e Entry
		if err := e.Decode(r.data); err != nil || len(e.Publications) != batchMost {
			t.Fatal(err, len(e.Publications))
		}
		r.write()
	}

	r = newRig(t)
	big := &Item{Publication: Publication{Payload: make([]byte, queueBytes/4)}, Until: r.now.Add(time.Hour)}
	for range 4 {
		it := *big
		if err := r.Publish(&it, r.now); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Publish(&Item{Publication: Publication{User: "u"}}, r.now); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	r.load()
	var e Entry
	if err := e.Decode(r.data); err != nil || len(e.Publications) != 1 {
		t.Error("one that is large does not travel alone", err, len(e.Publications))
	}
}

// What the shell does when it is told something may concern the same log.
func TestLogFromWithin(t *testing.T) {
	r := newRig(t)
	r.inside = func(what string) {
		switch {
		case strings.HasPrefix(what, "ack a"):
			r.publish("c")
			r.then("y")
		case strings.HasPrefix(what, "then x"):
			r.Stale(r.now)
			r.then("z")
		case strings.HasPrefix(what, "ack c"):
			r.Drop()
		}
	}
	r.publish("a")
	r.then("x")
	r.publish("b")
	r.load()
	r.write()
	r.expect("load", "write 1:a,b", "deliver a@1", "deliver b@2", "ack a@1", "then x at 2", "ack b@2", "load")
	r.load()
	r.expect("write 3:c")
	r.write()
	r.expect("deliver c@3", "ack c@3", "then y: the store is away at 3", "then z: the store is away at 3")
}
