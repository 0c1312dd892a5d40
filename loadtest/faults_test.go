package loadtest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// pauseAllowed is how long a topic may stand still when its owner changes, and
// when the system counts as settled after a fault.
const pauseAllowed = 4 * time.Second

// TestTopicsOutliveTheirRouters runs three NATS servers, three gateways and
// three routers as real processes under load, and takes and gives routers.
func TestTopicsOutliveTheirRouters(t *testing.T) {
	c := cluster.StartTest(t, cluster.Spec{NATS: 3, Gateways: 3, Routers: 3})
	rate, apart := 60.0, 8*time.Second
	if testing.Short() {
		rate, apart = 30, 6*time.Second
	}
	load := loadtest.Load{
		Gateways:   c.WS(),
		Token:      c.Token,
		Topics:     12,
		Publishers: 1,
		Rate:       rate,
		Exact:      2,
		Wild:       1,
		Joiners:    2,
		Faults: []loadtest.Fault{
			{Name: "kill -9 of a router", Do: func(context.Context) error {
				return c.Routers[0].Kill()
			}},
			{Name: "graceful stop of another", Calm: true, Do: func(ctx context.Context) error {
				return stop(ctx, c.Routers[1])
			}},
			{Name: "a router joins", Calm: true, Do: c.Routers[0].Restart},
			{Name: "another joins", Calm: true, Do: func(ctx context.Context) error {
				_, err := c.Add(ctx, cluster.Router)
				return err
			}},
		},
	}
	for i := range load.Faults {
		// Some settled seconds before, between and after.
		load.Faults[i].At = 3*time.Second + time.Duration(i)*apart
		load.Faults[i].Settle = pauseAllowed
	}
	load.Duration = load.Faults[len(load.Faults)-1].At + apart

	r, err := loadtest.Run(t.Context(), load)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", r)
	for _, p := range r.Problems() {
		t.Error(p)
	}
	for _, w := range r.Verdict.Windows {
		if d := w.Acks.Length(); d > pauseAllowed {
			t.Errorf("%s: a publisher went %v without an Ack", w.Name, d)
		}
		if d := w.Deliveries.Length(); d > pauseAllowed {
			t.Errorf("%s: a subscriber went %v without a delivery", w.Name, d)
		}
	}
	if r.Skipped > 0 {
		t.Errorf("publishers skipped %d turns: the load was not steady", r.Skipped)
	}
	// A run in which nothing happens would pass all of the above.
	sent := int(float64(len(load.Gateways)) * rate * load.Duration.Seconds())
	if v := r.Verdict; v.Messages < sent*9/10 || v.Acked < v.Messages*7/10 || v.Deliveries < 6*v.Acked {
		t.Errorf("only %d of about %d messages sent, %d acked, %d deliveries", v.Messages, sent, v.Acked, v.Deliveries)
	}
}

// stop ends a process by SIGTERM, which it must obey soon and with exit code 0.
func stop(ctx context.Context, p *cluster.Process) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	code, err := p.Stop(ctx)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s ended with exit code %d\n%s", p.Name, code, p.LogTail())
	}
	return err
}
