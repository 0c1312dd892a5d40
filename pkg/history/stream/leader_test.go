package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

// owner appends to one key as an owner does, and remembers what it was told. Others may believe that they own it.
type owner struct {
	store   *Store
	key     string
	name    string
	acked   []string
	tried   []string
	follows map[uint64]uint64 // what was acknowledged, and what it was to follow
	any     atomic.Bool       // something was acknowledged
}

// run appends until stop is closed. After a conflict or an unknown outcome it reads what is last.
func (o *owner) run(t *testing.T, stop <-chan struct{}) {
	o.follows = map[uint64]uint64{}
	for n, after := 0, uint64(0); ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		data := fmt.Sprint(o.name, "/", n)
		o.tried = append(o.tried, data)
		seq, err := store1(o.store, o.key, after, data)
		if err == nil {
			o.acked = append(o.acked, data)
			o.any.Store(true)
			o.follows[seq] = after
			after = seq
			continue
		}
		if !errors.Is(err, history.ErrUnavailable) && !errors.Is(err, history.ErrConflict) {
			t.Errorf("append: %v", err)
			return
		}
		for {
			last, err := o.store.Last(context.Background(), []string{o.key})
			if err == nil {
				after = last[o.key].Seq
				break
			}
		}
	}
}

// check wants what was acknowledged to be there, once, after what it was to follow, and of the rest at most what was
// tried.
func check(t *testing.T, owners ...*owner) {
	t.Helper()
	var entries []history.Stored
	all := func(o *owner) bool { return contains(datas(entries), o.acked) }
	streamtest.Eventually(t, 10*time.Second, "all that was acknowledged", func() bool {
		var err error
		entries, err = owners[0].store.Read(t.Context(), owners[0].key, 0, 1<<20, 1<<30)
		return err == nil && !slices.ContainsFunc(owners, func(o *owner) bool { return !all(o) })
	})
	own := 0
	for _, o := range owners {
		var tried []string
		before := uint64(0)
		for _, e := range entries {
			if strings.HasPrefix(string(e.Data), o.name+"/") {
				tried = append(tried, string(e.Data))
			}
			if after, acked := o.follows[e.Seq]; acked && after != before {
				t.Errorf("%s: %d was to follow %d and follows %d", o.key, e.Seq, after, before)
			}
			before = e.Seq
		}
		if !contains(o.tried, tried) {
			t.Errorf("%s: %d entries of %s are not in order or not once: %.500q", o.key, len(tried), o.name, tried)
		}
		own += len(tried)
	}
	if own != len(entries) || own == 0 {
		t.Errorf("%s: %d entries of %d are of its owners", owners[0].key, own, len(entries))
	}
}

// contains tells whether some is in all, in order.
func contains(all, some []string) bool {
	for _, s := range all {
		if len(some) > 0 && some[0] == s {
			some = some[1:]
		}
	}
	return len(some) == 0
}

// TestLeaderLost: servers that lead streams go while two owners write to each key.
func TestLeaderLost(t *testing.T) {
	t.Parallel()
	c := streamtest.Start(t, 3)
	timeout := func(cfg *Config) { cfg.Timeout = 2 * time.Second }
	s, rival := on(t, c.Connect(t), timeout), on(t, c.Connect(t), timeout)
	var owners []*owner
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 8 {
		key := fmt.Sprint("topic", i)
		owners = append(owners, &owner{store: s, key: key, name: "one"}, &owner{store: rival, key: key, name: "other"})
	}
	for _, o := range owners {
		wg.Go(func() { o.run(t, stop) })
	}
	for range 2 {
		time.Sleep(200 * time.Millisecond)
		i := c.Leader(s.partition("topic0").stream)
		if i < 0 {
			continue
		}
		c.Stop(i)
		time.Sleep(500 * time.Millisecond)
		c.Restart(t, i)
		streamtest.Eventually(t, 15*time.Second, "an append", func() bool {
			_, err := store1(s, fmt.Sprint("more", i), 0, "x")
			return err == nil || errors.Is(err, history.ErrConflict)
		})
	}
	for i := 0; i < len(owners); i += 2 { // a stream whose leader was lost may have had none until now
		streamtest.Eventually(t, 20*time.Second, "an Ack for each key", func() bool { return owners[i].any.Load() || owners[i+1].any.Load() })
	}
	close(stop)
	wg.Wait()
	n, unknown := 0, 0
	for i, o := range owners {
		if i%2 == 0 {
			check(t, owners[i:i+2]...)
		}
		n += len(o.acked)
		unknown += len(o.tried) - len(o.acked)
	}
	t.Logf("%d acknowledged, %d not", n, unknown)
}
