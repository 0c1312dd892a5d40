package history

import (
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	const age, size = time.Hour, 100
	var (
		now    = modelNow
		epoch  = NewEpoch(now.Add(-2*age), 1)
		before = NewEpoch(now.Add(-3*age), 1)
		later  = NewEpoch(now, 1)
	)
	// It has 500, of which it remembers those from 450 on, of which those up to 460 are too old.
	full := NewLog("key", &Rule{Size: size, Age: age}, nil, 0, 0)
	full.restart(epoch, 449)
	for full.top < 500 {
		full.top++
		at := now
		if full.top <= 460 {
			at = now.Add(-age - 1)
		}
		full.push(Recent{Offset: full.top, At: at})
	}
	young := NewLog("key", &Rule{Size: size, Age: age}, nil, 0, 0)
	young.restart(epoch, 0)
	for young.top < 10 {
		young.top++
		young.push(Recent{Offset: young.top, At: now})
	}
	empty := NewLog("key", &Rule{Size: size, Age: age}, nil, 0, 0)
	empty.restart(Unborn(now), 0)
	brief := NewLog("key", &Rule{Size: size, Age: 10 * time.Second}, nil, 0, 0)
	brief.restart(Unborn(now), 0)
	grown := NewLog("key", &Rule{Size: size, Age: age, Shortest: 10 * time.Second}, nil, 0, 0) // as brief was
	grown.restart(Unborn(now), 0)

	ago := func(d time.Duration) Position { return Position{0, Unborn(now.Add(-d))} }
	for _, c := range []struct {
		name  string
		log   *Log
		at    Position
		after uint64
		want  Verdict
	}{
		{"the top", full, Position{500, epoch}, 500, Whole},
		{"behind the top", full, Position{501, epoch}, 501, Ahead},
		{"remembered", full, Position{460, epoch}, 460, Whole},
		{"remembered, and too old", full, Position{459, epoch}, 459, Broken},
		{"the first that is remembered", full, Position{449, epoch}, 449, Broken},
		{"not remembered", full, Position{448, epoch}, 448, Look},
		{"not remembered, and just not too much", full, Position{400, epoch}, 400, Look},
		{"too much", full, Position{399, epoch}, 399, Broken},
		{"the beginning", full, Position{0, epoch}, 0, Broken},
		{"an earlier numbering", full, Position{500, before}, 0, Broken},
		{"a later numbering", full, Position{1, later}, 0, Ahead},
		{"no position", full, Position{}, 0, Broken},
		{"an offset without an epoch", full, Position{7, 0}, 0, Broken},
		{"nothing since, with an age that grew", grown, ago(4 * time.Second), 0, Whole},
		{"too long ago for the age before", grown, ago(6 * time.Second), 0, Broken},
		{"an offset where nothing was", young, Position{7, Unborn(now)}, 0, Broken},

		{"the beginning, of few", young, Position{0, epoch}, 0, Whole},
		{"before there was anything", young, ago(time.Minute), 0, Whole},
		{"before there was anything, in time", young, ago(age - time.Minute), 0, Whole},
		{"before there was anything, long ago", young, ago(age - time.Minute + time.Second), 0, Broken},
		{"before there was anything, by a clock that is ahead", young, ago(-time.Minute), 0, Whole},
		{"before there was anything, of many", full, ago(time.Minute), 0, Broken},

		{"nothing then, nothing now", empty, ago(time.Minute), 0, Whole},
		{"nothing long ago, nothing now", empty, ago(age), 0, Broken},
		{"something then, nothing known now", empty, Position{5, epoch}, 0, Ahead},
		{"nothing then, nothing now, of a brief history", brief, ago(5 * time.Second), 0, Whole},
		{"nothing a while ago, nothing now, of a brief history", brief, ago(6 * time.Second), 0, Broken},
	} {
		if after, got := c.log.Judge(c.at, now); got != c.want || after != c.after {
			t.Errorf("%s: %d behind %d, want %d behind %d", c.name, got, after, c.want, c.after)
		}
	}
	full.Forget()
	if _, got := full.Judge(Position{499, epoch}, now); got != Look {
		t.Error("what was forgotten is not looked for", got)
	}
	if full.Floor() != 401 || young.Floor() != 1 || empty.Floor() != 1 {
		t.Error(full.Floor(), young.Floor(), empty.Floor())
	}
	full.top = RingMost + 5
	if full.Fits(4) || !full.Fits(5) {
		t.Error("what fits is not what is remembered")
	}
}
