package loadtest_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest"
	"github.com/realtime-cluster/realtime/loadtest/checker"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

// people is a load of people alone, for a second, on h.
func people(t *testing.T, h *hub.Hub) loadtest.Load {
	t.Helper()
	l := against(t, h)
	l.Topics = -1
	l.Duration = time.Second
	l.Drain = 3 * time.Second
	l.People = loadtest.People{
		Rooms: 3, Residents: 3, Twins: 1, Visitors: 2, Wanderers: 2,
		RoomRate: 100, DirectRate: 100,
		Stay: 150 * time.Millisecond, Away: 150 * time.Millisecond,
	}
	return l
}

func TestPeopleAtALoyalServerHaveNoProblems(t *testing.T) {
	r := run(t, people(t, &hub.Hub{}))
	if p := r.Problems(); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
	n := r.Tally
	if slices.Max(n.Visits) == 0 {
		t.Error("nobody visited a room")
	}
	for room := range n.Rooms {
		if n.Rooms[room] < 20 || n.Heard[room] < 3*n.Rooms[room] {
			t.Errorf("room %d: %d acked, %d heard", room, n.Rooms[room], n.Heard[room])
		}
	}
	if n.Delivered < 100 || n.Queued < 10 || n.Late < n.Queued || n.Unseen == 0 || n.Returned < 4 || n.Lost != 0 {
		t.Errorf("tally %+v", n)
	}
	t.Logf("\n%s", r)
}

func TestQueuedMessagesMayComeAgain(t *testing.T) {
	r := run(t, people(t, &hub.Hub{Again: true}))
	if p := r.Problems(); len(p) > 0 || r.Tally.Late <= r.Tally.Queued {
		t.Errorf("tally %+v, problems %q", r.Tally, p)
	}
}

func TestPeopleNoticeABrokenServer(t *testing.T) {
	// Connection 2 is the third resident, 3 and 4 are the twin's.
	at := func(conn, n int, f hub.Fate) func(int, int) hub.Fate {
		return func(c, i int) hub.Fate {
			if c == conn && i == n {
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
		{"a lost message", &hub.Hub{Mangle: at(2, 40, hub.Drop)}, checker.Lost},
		{"a message lost at a silent tab", &hub.Hub{Mangle: at(4, 40, hub.Drop)}, checker.Lost},
		{"a doubled message", &hub.Hub{Mangle: at(2, 40, hub.Double)}, checker.Doubled},
		{"an altered message", &hub.Hub{Mangle: at(2, 40, hub.Alter)}, checker.Unknown},
		{"no answer", &hub.Hub{Answer: func(n int, _, reply string) string {
			if n == 50 {
				return ""
			}
			return reply
		}}, checker.Unanswered},
		{"a member that left stays on the list", &hub.Hub{Clings: true}, checker.Late},
		{"a queue that forgets", &hub.Hub{Forgets: true}, checker.Lost},
		{"a queue that lets go too soon", &hub.Hub{Hasty: true}, checker.Lost},
		{"another name", &hub.Hub{Renames: true}, checker.Renamed},
		{"no mark", &hub.Hub{Unmarked: true}, checker.Unmarked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := people(t, tt.hub)
			l.Duration, l.Drain = 700*time.Millisecond, 600*time.Millisecond
			v := run(t, l).Verdict
			if v.Counts[tt.want] == 0 {
				t.Errorf("counts %v", v.Counts)
			}
		})
	}
}

func TestPeopleNoticeASwapInARoom(t *testing.T) {
	l := people(t, &hub.Hub{Mangle: func(c, n int) hub.Fate {
		if c == 2 && n == 40 {
			return hub.Swap
		}
		return hub.Pass
	}})
	l.People.Rooms, l.People.DirectRate = 1, 0.1
	if v := run(t, l).Verdict; v.Counts[checker.Order] != 1 {
		t.Errorf("counts %v", v.Counts)
	}
}

func TestPeopleComeBackFromALostConnection(t *testing.T) {
	for _, cuts := range []bool{true, false} {
		h := &hub.Hub{}
		l := people(t, h)
		l.People.Progress = new(loadtest.Progress)
		var lost int
		l.Faults = []loadtest.Fault{{
			Name: "kick", At: 500 * time.Millisecond, Settle: 300 * time.Millisecond, Cuts: cuts,
			Do: func(context.Context) error {
				h.CloseWith(1, 1012, "restart")
				h.CloseWith(4, 1012, "restart")
				h.CloseWith(5, 1012, "restart") // a visitor
				return nil
			},
			Then: func(context.Context) error {
				lost = l.People.Progress.Now().Lost
				return nil
			},
		}}
		r := run(t, l)
		if lost != 3 || r.Tally.Lost != 3 || r.Tally.Returned < 3 || len(r.Verdict.Counts) > 0 {
			t.Errorf("lost %d, tally %+v, counts %v %v", lost, r.Tally, r.Verdict.Counts, r.Verdict.Violations)
		}
		if cuts == (len(r.Disconnects) > 0) || cuts && (len(r.Problems()) > 0 || r.Excused < 3) {
			t.Errorf("cuts %v: problems %q", cuts, r.Problems())
		}
	}
}

func TestAbsentUsersWithoutAQueue(t *testing.T) {
	var away atomic.Bool
	h := &hub.Hub{NoQueue: away.Load}
	l := people(t, h)
	l.People.Progress = new(loadtest.Progress)
	var got loadtest.Tally
	l.Faults = []loadtest.Fault{{
		Name: "no queue", At: 300 * time.Millisecond, Calm: true,
		Do: func(ctx context.Context) error {
			away.Store(true)
			defer away.Store(false)
			before := l.People.Progress.Now()
			return until(ctx, func() error {
				got = l.People.Progress.Now().Since(before)
				if got.RefusedAway[503] < 5 || got.Delivered < 20 {
					return errTooFew
				}
				return nil
			})
		},
	}}
	r := run(t, l)
	if p := r.Problems(); len(p) > 0 {
		t.Errorf("problems %q", p)
	}
	if len(got.RefusedHere) > 0 || r.Verdict.Windows[0].Refused == 0 {
		t.Errorf("tally %+v, window %+v", got, r.Verdict.Windows[0])
	}
}

func TestImpossiblePeople(t *testing.T) {
	for want, p := range map[string]loadtest.People{
		"nobody who sends":      {Wanderers: 1},
		"a count":               {Residents: -1},
		"visitors need a room":  {Residents: 1, Visitors: 1},
		"a count or rate is ne": {Residents: 1, RoomRate: -1},
	} {
		l := people(t, &hub.Hub{})
		l.People = p
		if _, err := loadtest.Run(t.Context(), l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
