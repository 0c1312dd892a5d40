package supervise_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// hang is longer than any test.
const hang = time.Hour

// turning is a part that turns four times a second, or as seldom as took says; it fails where that is negative.
func turning(took func() time.Duration) (supervise.Part, *supervise.Pulse) {
	p := new(supervise.Pulse)
	return supervise.Part{Name: "loop", Pulse: p, Run: func(ctx context.Context) error {
		for ctx.Err() == nil {
			d := took()
			if d < 0 {
				return errors.New("failed")
			}
			select {
			case <-ctx.Done():
			case <-time.After(max(250*time.Millisecond, d)):
				p.Turned(d)
			}
		}
		return nil
	}}, p
}

// TestStuck: what does not turn any more is told by its name, and no more when it does again, or has been restarted.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		stopWatch := r.start(t, supervise.Part{Name: "watch", Run: r.Watch})
		var next atomic.Int64 // 0: a millisecond
		part, pulse := turning(func() time.Duration { return max(time.Duration(next.Swap(0)), time.Millisecond) })
		stop := r.start(t, part)
		live := func(want string) {
			t.Helper()
			synctest.Wait()
			got := ""
			if err := r.Live(); err != nil {
				got = err.Error()
			}
			if got != want || pulse.Stuck() != (want != "") {
				t.Errorf("%q, want %q", got, want)
			}
		}
		time.Sleep(time.Minute + time.Millisecond)
		live("")
		next.Store(int64(30 * time.Second))
		time.Sleep(9 * time.Second) // it turns once more before
		live("")
		time.Sleep(5 * time.Second)
		live("stuck: loop")
		time.Sleep(20 * time.Second)
		live("")
		next.Store(int64(hang))
		time.Sleep(20 * time.Second)
		live("stuck: loop")
		stop()
		if err := r.Live(); err != nil {
			t.Errorf("a part that has ended: %v", err)
		}
		stopWatch()
	})
}

// TestRestartedIsNotStuck: the pause before a restart is none.
func TestRestartedIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		stopWatch := r.start(t, supervise.Part{Name: "watch", Run: r.Watch})
		var fail atomic.Bool
		part, _ := turning(func() time.Duration {
			if fail.Swap(false) {
				return -1
			}
			return time.Millisecond
		})
		stop := r.start(t, part)
		for range 10 {
			time.Sleep(20 * time.Second)
			fail.Store(true)
			if err := r.Live(); err != nil {
				t.Errorf("stuck: %v", err)
			}
		}
		stop()
		stopWatch()
	})
}

// TestBehind: three seconds of slow turns make a part be behind, and only five of quick ones end that.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		stopWatch := r.start(t, supervise.Part{Name: "watch", Run: r.Watch})
		var took atomic.Int64
		part, pulse := turning(func() time.Duration { return time.Duration(took.Load()) })
		stop := r.start(t, part)
		for i, step := range []struct {
			took, lasts time.Duration
			behind      bool
		}{
			{time.Millisecond, 10 * time.Second, false},
			{600 * time.Millisecond, 1900 * time.Millisecond, false}, // not for long enough
			{time.Millisecond, 10 * time.Second, false},
			{600 * time.Millisecond, 6 * time.Second, true},
			{400 * time.Millisecond, 30 * time.Second, true}, // neither slow nor quick
			{time.Millisecond, 3 * time.Second, true},        // not for long enough
			{400 * time.Millisecond, 3 * time.Second, true},
			{time.Millisecond, 8 * time.Second, false},
			{400 * time.Millisecond, 30 * time.Second, false},
			{3 * time.Second, 8 * time.Second, true}, // longer than between two looks
		} {
			took.Store(int64(step.took))
			time.Sleep(step.lasts)
			synctest.Wait()
			if pulse.Behind() != step.behind {
				t.Errorf("step %d: behind %v", i, pulse.Behind())
			}
		}
		stop()
		stopWatch()
	})
}
