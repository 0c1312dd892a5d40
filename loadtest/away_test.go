package loadtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// liveEvery is the time between two messages of traffic that nothing may disturb, and livePause how long one may
// take: real processes share the machine with other tests.
const (
	liveEvery = 20 * time.Millisecond
	livePause = time.Second
)

// live is traffic that needs none of the dependencies that are taken away: a topic without history, from one
// connection to another.
type live struct {
	sent  int
	worst time.Duration
	err   error
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// startLive has from send to a topic to which to is subscribed, and hears every message.
func startLive(t *testing.T, from, to *client.Client, topic string, heard <-chan client.Delivery) *live {
	t.Helper()
	if _, err := to.Subscribe(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	l := &live{stop: stop}
	l.done.Go(func() {
		for l.err == nil && ctx.Err() == nil {
			l.err = l.one(from, topic, heard)
			time.Sleep(liveEvery)
		}
	})
	t.Cleanup(func() { l.end(t) })
	return l
}

func (l *live) one(from *client.Client, topic string, heard <-chan client.Delivery) error {
	begin := time.Now()
	payload := fmt.Sprint(l.sent)
	l.sent++
	acked := make(chan error, 1)
	if err := from.Publish(topic, payload, func(_ client.Ack, err error) { acked <- err }); err != nil {
		return err
	}
	if err := <-acked; err != nil {
		return fmt.Errorf("message %s: %w", payload, err)
	}
	select {
	case d := <-heard:
		if d.Payload != payload {
			return fmt.Errorf("heard %s instead of %s", d.Payload, payload)
		}
	case <-time.After(livePause):
		return fmt.Errorf("message %s was not heard", payload)
	}
	if took := time.Since(begin); took > l.worst {
		l.worst = took
	}
	return nil
}

// end stops it, and reports what went wrong.
func (l *live) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.done.Wait()
	if l.err != nil || l.worst > livePause || l.sent < 50 {
		t.Errorf("live traffic: %d messages, the slowest took %v, %v", l.sent, l.worst, l.err)
	}
}

// page is /health.
type page struct {
	Status     string
	Components map[string]struct{ Status, Reason string }
}

// unwell lists the components of a process that /health tells are not healthy.
func (p *page) unwell() []string {
	var list []string
	for name, c := range p.Components {
		if c.Status != "healthy" {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func healthOf(ctx context.Context, p *cluster.Process) (h page, err error) {
	body, err := p.Get(ctx, "/health")
	if err == nil {
		err = json.Unmarshal(body, &h)
	}
	return h, err
}

// wantHealth waits until a process says that just these components are unwell. It must be ready all the time.
func wantHealth(t *testing.T, p *cluster.Process, unwell ...string) {
	t.Helper()
	want := "healthy"
	if len(unwell) > 0 {
		want = "degraded"
	}
	err := until(t.Context(), func() error {
		h, err := healthOf(t.Context(), p)
		if err == nil && (h.Status != want || !slices.Equal(h.unwell(), unwell)) {
			err = fmt.Errorf("%s is %+v, want %v", p.Name, h, unwell)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := p.Get(t.Context(), "/readyz"); err != nil {
		t.Errorf("%s: %v", p.Name, err)
	}
}

// wantBreaker waits until the circuit breaker of a process is open, or closed.
func wantBreaker(t *testing.T, p *cluster.Process, dependency string, open bool) {
	t.Helper()
	err := until(t.Context(), func() error {
		v, err := p.Metric(t.Context(), "realtime_breaker_state", map[string]string{"dependency": dependency})
		if err == nil && (v > 0) != open {
			err = fmt.Errorf("%s: the breaker of %s is in state %v", p.Name, dependency, v)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// logLines counts the lines of a process's log that are warnings or worse, and those that hold a text.
func logLines(t *testing.T, p *cluster.Process, text string) (warnings, with int) {
	t.Helper()
	b, err := os.ReadFile(p.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, `"level":"warn"`) || strings.Contains(line, `"level":"error"`) {
			warnings++
		}
		if strings.Contains(line, text) {
			with++
		}
	}
	return warnings, with
}
