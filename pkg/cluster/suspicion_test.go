package cluster

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A node that is gone, and that somebody says is not there, is dead to all a second later;
// one that is there lives on, however often that is said.
func TestMemberSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		var all []*running
		for id := range uint64(3) {
			r := a.start(t, id+1, RoleRouter)
			all = append(all, r)
			r.Activate()
		}
		accuser, other, suspect := all[0], all[1], all[2]
		core, logs := observer.New(zap.InfoLevel)
		time.Sleep(2300 * time.Millisecond) // between two ticks
		synctest.Wait()
		other.cfg.Log = zap.New(core)

		before := testutil.ToFloat64(accuser.metrics.sent)
		for range 500 {
			time.Sleep(10 * time.Millisecond)
			accuser.Suspect(Ref{3, 0})
			accuser.Suspect(Ref{3, 1}) // nobody we know
		}
		for _, r := range all {
			r.sees(t, Ref{1, 0}, Ref{2, 0}, Ref{3, 0})
		}
		// In 5 s, its usual beats and one for each time it was allowed to report.
		if n := testutil.ToFloat64(accuser.metrics.sent) - before; n > 16 {
			t.Errorf("%v beats in 5s", n)
		}
		if n := testutil.ToFloat64(other.metrics.suspects.WithLabelValues("router")); n < 9 || n > 11 {
			t.Errorf("%v suspicions in 5s, want one every 500ms", n)
		}

		time.Sleep(time.Second)
		suspect.bus.set(func(b *airBus) { b.deaf = true })
		accuser.Suspect(Ref{3, 0})
		time.Sleep(990 * time.Millisecond)
		other.sees(t, Ref{1, 0}, Ref{2, 0}, Ref{3, 0})
		time.Sleep(260 * time.Millisecond)
		accuser.sees(t, Ref{1, 0}, Ref{2, 0})
		other.sees(t, Ref{1, 0}, Ref{2, 0})
		if n := testutil.ToFloat64(other.metrics.died.WithLabelValues("router")); n != 1 {
			t.Errorf("%v nodes died", n)
		}
		want := []any{"0000000000000003/0 host (suspected)"}
		if lines := logs.FilterMessage("view changed").All(); len(lines) != 1 || !reflect.DeepEqual(lines[0].ContextMap()["died"], want) {
			t.Errorf("logged %v, want a death %v", lines, want)
		}
		for _, r := range all {
			r.stop()
			<-r.done
		}
	})
}

func TestReports(t *testing.T) {
	r, now := newReports(time.Second), start
	r.add(Ref{1, 0}, now)
	r.add(Ref{2, 0}, now)
	r.add(Ref{1, 0}, now)
	if refs := r.take(now); len(refs) != 2 {
		t.Errorf("took %v, want both", refs)
	}
	now = now.Add(999 * time.Millisecond)
	if n := testing.AllocsPerRun(100, func() { r.add(Ref{1, 0}, now) }); n != 0 {
		t.Errorf("a repeated report costs %v allocations", n)
	}
	if refs := r.take(now); len(refs) != 0 {
		t.Errorf("took %v within the second", refs)
	}
	now = now.Add(time.Millisecond)
	for range 100 { // nobody takes them: they do not pile up
		r.add(Ref{1, 0}, now)
		now = now.Add(time.Second)
	}
	if refs := r.take(now); !reflect.DeepEqual(refs, []Ref{{1, 0}}) || len(r.last) != 0 {
		t.Errorf("took %v, kept %v", refs, r.last)
	}
}
