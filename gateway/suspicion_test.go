package gateway_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// A router that beats, and does not listen where batches go to, is suspected by gateways and
// routers, and lives, as it beats. When it falls silent it is dead.
func TestRefusalsMakeSuspects(t *testing.T) {
	h := start(t, 1, 1, nil)
	conns := h.connect(prometheus.NewRegistry())
	end := func() {
		for _, nc := range conns {
			nc.Close()
		}
	}
	t.Cleanup(end)
	beats := make(chan *nats.Msg, 1000)
	if _, err := conns[0].ChanSubscribe(wire.BeatAll, beats); err != nil {
		t.Fatal(err)
	}
	ghost, err := cluster.New(conns[0], cluster.Config{
		Self: cluster.Node{Ref: cluster.Ref{ID: cluster.NewID()}, Role: cluster.RoleRouter, Name: "ghost", Lanes: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = ghost.Run(context.Background()) // until its connection is closed
	}()
	ghost.Activate()

	accusers := map[string]bool{}
	for deadline := time.After(10 * time.Second); len(accusers) < 2; {
		select {
		case m := <-beats:
			var beat struct {
				Role     string
				Suspects []struct{ ID string }
			}
			if err := json.Unmarshal(m.Data, &beat); err != nil {
				t.Fatal(err)
			}
			for _, s := range beat.Suspects {
				if s.ID != cluster.IDString(ghost.Self().ID) {
					t.Fatalf("a %s suspects %s, which is there", beat.Role, s.ID)
				}
				accusers[beat.Role] = true
			}
		case <-deadline:
			t.Fatalf("suspected by %v, want a gateway and a router", accusers)
		}
	}
	time.Sleep(1500 * time.Millisecond)
	if n := h.router[0].value(t, metric.NodesDied); n != 0 || ghost.Self().Inc != 0 {
		t.Fatalf("%v nodes died, the suspect is %s", n, ghost.Self().Ref)
	}

	end()
	<-done
	h.eventually(func() bool {
		return len(h.gateway[0].Views().Routers.Active) == 1 && h.router[0].value(t, metric.NodesDied) == 1
	})
}
