package loadtest_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/realtime-cluster/realtime/loadtest"
	"github.com/realtime-cluster/realtime/loadtest/checker"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// against is a load of one second on h, which plays two gateways.
func against(t *testing.T, h *hub.Hub) loadtest.Load {
	t.Helper()
	s := httptest.NewServer(h.Handler())
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	url := "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
	return loadtest.Load{
		Gateways: []string{url, url},
		Token:    func(user string) (string, error) { return user, nil },
		Topics:   5, Publishers: 2, Rate: 100, Exact: 2, Joiners: 2,
		Duration: time.Second,
	}
}

func run(t *testing.T, l loadtest.Load) *loadtest.Report {
	t.Helper()
	r, err := loadtest.Run(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestALoyalServerHasNoProblems(t *testing.T) {
	r := run(t, against(t, &hub.Hub{}))
	if p := r.Problems(); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
	v := r.Verdict
	if v.Messages < 300 || v.Acked != v.Messages || v.Deliveries < 4*v.Messages {
		t.Errorf("%d messages, %d acked, %d deliveries", v.Messages, v.Acked, v.Deliveries)
	}
	for _, p := range v.Pauses {
		if p.Acks.Length() <= 0 || p.Acks.Length() > 500*time.Millisecond || p.Deliveries.Length() > 500*time.Millisecond {
			t.Errorf("pause %+v", p)
		}
	}
	if !strings.Contains(r.String(), "every promise kept") {
		t.Errorf("report\n%s", r)
	}
}

func TestABrokenServerIsNoticed(t *testing.T) {
	// Connections 0 and 1 are publishers, 2 is the first subscriber.
	once := func(f hub.Fate) func(c, n int) hub.Fate {
		return func(c, n int) hub.Fate {
			if c == 2 && n == 40 {
				return f
			}
			return hub.Pass
		}
	}
	tests := []struct {
		name string
		hub  *hub.Hub
		want checker.Kind
	}{
		{"a lost message", &hub.Hub{Mangle: once(hub.Drop)}, checker.Lost},
		{"a doubled message", &hub.Hub{Mangle: once(hub.Double)}, checker.Doubled},
		{"an altered message", &hub.Hub{Mangle: once(hub.Alter)}, checker.Unknown},
		{"no answer", &hub.Hub{Answer: func(n int, _, reply string) string {
			if n == 50 {
				return ""
			}
			return reply
		}}, checker.Unanswered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := against(t, tt.hub)
			l.Drain = 700 * time.Millisecond
			v := run(t, l).Verdict
			if v.Counts[tt.want] == 0 {
				t.Errorf("counts %v", v.Counts)
			}
		})
	}
}

func TestASwapIsNoticed(t *testing.T) {
	// Of one topic, so that the held message changes places with one of its own.
	l := against(t, &hub.Hub{Mangle: func(c, n int) hub.Fate {
		if c == 2 && n == 40 {
			return hub.Swap
		}
		return hub.Pass
	}})
	l.Topics = 1
	if v := run(t, l).Verdict; v.Counts[checker.Order] != 1 {
		t.Errorf("counts %v", v.Counts)
	}
}

func TestASecondAnswerAndARefusalAreProblems(t *testing.T) {
	l := against(t, &hub.Hub{Answer: func(n int, id, reply string) string {
		switch n {
		case 30:
			return reply + "\n" + reply
		case 60:
			return `{"type":"Error","id":"` + id + `","data":{"code":503,"message":"away"}}`
		}
		return reply
	}})
	r := run(t, l)
	p := strings.Join(r.Problems(), "\n")
	if !strings.Contains(p, "unasked: publisher") || !strings.Contains(p, "1 messages refused outside") || r.Refusals[503] != 1 {
		t.Errorf("problems %s", p)
	}
}

func TestAWindowExcusesLossAndShowsThePause(t *testing.T) {
	var down atomic.Bool
	l := against(t, &hub.Hub{
		Mangle: func(c, _ int) hub.Fate {
			if c == 2 && down.Load() {
				return hub.Drop
			}
			return hub.Pass
		},
		Answer: func(_ int, id, reply string) string {
			if down.Load() {
				return `{"type":"Error","id":"` + id + `","data":{"code":503,"message":"away"}}`
			}
			return reply
		},
	})
	l.Faults = []loadtest.Fault{{
		Name: "outage", At: 300 * time.Millisecond, Before: 10 * time.Millisecond, Settle: 50 * time.Millisecond,
		Do: func(context.Context) error {
			down.Store(true)
			time.Sleep(300 * time.Millisecond)
			down.Store(false)
			return nil
		},
	}}
	r := run(t, l)
	if p := r.Problems(); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
	w := r.Verdict.Windows[0]
	if w.Acks.Length() < 290*time.Millisecond || w.Acks.Length() > 600*time.Millisecond || w.Refused == 0 {
		t.Errorf("window %+v", w)
	}
	t.Logf("\n%s", r)
}

func TestALostConnectionIsAProblem(t *testing.T) {
	h := &hub.Hub{}
	l := against(t, h)
	l.Faults = []loadtest.Fault{{Name: "kick", At: 300 * time.Millisecond, Do: func(context.Context) error {
		h.CloseWith(2, 4410, "too slow")
		return nil
	}}}
	r := run(t, l)
	if len(r.Disconnects) != 1 || !strings.Contains(r.Disconnects[0], "4410") || len(r.Verdict.Counts) > 0 {
		t.Errorf("disconnects %q, counts %v %v", r.Disconnects, r.Verdict.Counts, r.Verdict.Violations)
	}
}

func TestAFaultThatFailsEndsTheRun(t *testing.T) {
	l := against(t, &hub.Hub{})
	away := errors.New("away")
	l.Faults = []loadtest.Fault{{Name: "x", At: 100 * time.Millisecond, Do: func(context.Context) error { return away }}}
	begin := time.Now()
	if _, err := loadtest.Run(t.Context(), l); !errors.Is(err, away) {
		t.Errorf("error %v", err)
	}
	if time.Since(begin) > 900*time.Millisecond {
		t.Error("the run went on")
	}
	l.Faults[0].At = 5 * time.Second
	if _, err := loadtest.Run(t.Context(), l); err == nil {
		t.Error("a fault behind the end was ignored")
	}
}
