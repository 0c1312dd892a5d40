package crew

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

var errAway = errors.New("away")

// guardedCrew is a Crew whose dependency, when it is tried, is there or not.
func guardedCrew(there *atomic.Bool) (*Crew, *observer.ObservedLogs) {
	core, logs := observer.New(zap.InfoLevel)
	c := New(prometheus.NewCounter(prometheus.CounterOpts{Name: "overload"}))
	c.Guard(Breaker{
		Name: "test", Away: errAway, Registry: metric.For(nil, "test"), Lost: "lost", Back: "back", Log: zap.New(core),
		Probe: func(context.Context) error {
			if !there.Load() {
				return errors.New("no leader")
			}
			return nil
		},
	})
	return c, logs
}

// The circuit opens when nothing worked for a while, stays open while the dependency is away, although nobody calls, and
// is closed by what tries.
func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		c, logs := guardedCrew(&there)
		results := make(lane, 1)
		call := func(err error) (got error, made bool) {
			c.Work(results, func(context.Context) error { made = true; return err }, func(err error) { got = err })
			(<-results)()
			return got, made
		}
		if err, made := call(nil); err != nil || !made {
			t.Fatalf("%v, made %v", err, made)
		}
		for range 2 * tripRow { // others worked just now
			_, _ = call(errAway)
		}
		if err := c.Health(); err != nil {
			t.Errorf("open too soon: %v", err)
		}
		time.Sleep(tripQuiet)
		c.Note(errors.New("not its fault")) // as good as one that works
		for range tripRow {
			c.Note(errAway)
		}
		if err := c.Health(); err != nil {
			t.Errorf("open although a call worked: %v", err)
		}
		time.Sleep(tripQuiet)
		c.Note(errAway)
		for range 20 {
			if err := c.Health(); err == nil {
				t.Fatal("closed while it is away")
			}
			if err, made := call(nil); !errors.Is(err, errAway) || made {
				t.Fatalf("while open: %v, made %v", err, made)
			}
			time.Sleep(300 * time.Millisecond)
		}
		there.Store(true)
		time.Sleep(openTime + openTime/2)
		if err, made := call(nil); err != nil || !made || c.Health() != nil {
			t.Errorf("back: %v, made %v, health %v", err, made, c.Health())
		}
		if l := logs.All(); len(l) != 2 || l[0].Message != "lost" || l[1].Message != "back" {
			t.Errorf("logged %v", l)
		}
		c.Stop()
	})
}

// A node that ends does not wait for what is away.
func TestStopWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := guardedCrew(new(atomic.Bool))
		for range tripRow {
			c.Note(errAway)
		}
		if c.Health() == nil {
			t.Error("closed")
		}
		time.Sleep(3 * openTime)
		c.Stop()
		c.Note(errAway)
	})
}
