package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestCrash kills Redis under load and starts it again: what was acknowledged is there, in
// order, and nothing is there twice.
func TestCrash(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, server.url())
	s.run(t)
	q := NewQueue(s.Store, ample)

	const senders, crashes = 4, 3
	acked := make([][]string, senders) // each owned by its sender until all are done
	stop := make(chan struct{})
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			for n := 0; ; {
				select {
				case <-stop:
					return
				default:
				}
				m := message(fmt.Sprint("s", sender), n)
				switch err := q.Append(t.Context(), "crash", m); {
				case err == nil:
					acked[sender] = append(acked[sender], m.ID)
					n++
				case errors.Is(err, ErrUnavailable):
					time.Sleep(time.Millisecond) // the same again
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	appended := func() float64 {
		return s.value(t, "realtime_queue_appended_total") + s.value(t, "realtime_queue_repeated_total")
	}
	for range crashes {
		enough := appended() + 50
		eventually(t, 20*time.Second, "more messages are queued", func() bool { return appended() > enough })
		server.kill()
		server.start()
	}
	enough := appended() + 50
	eventually(t, 20*time.Second, "messages are queued after the last crash", func() bool { return appended() > enough })
	close(stop)
	all.Wait()

	got := make(map[string][]string)
	for _, e := range readAll(t, q, "crash", 1000) {
		got[e.From] = append(got[e.From], e.ID)
	}
	total := 0
	for sender, want := range acked {
		total += len(want)
		// The last one may have been stored and not acknowledged.
		if from := fmt.Sprint("s", sender); !slices.Equal(got[from][:min(len(want), len(got[from]))], want) || len(got[from]) > len(want)+1 {
			t.Errorf("of %s: %d entries, want the %d acknowledged in order", from, len(got[from]), len(want))
		}
	}
	t.Logf("%d acknowledged through %d crashes", total, crashes)
}
