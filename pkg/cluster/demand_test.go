package cluster

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Each node knows what the others of its role demand: within a beat of a change, without those of other roles, and no longer of one that
// has died.
func TestDemands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		var demands [5]atomic.Int64 // by id
		var nodes []*running
		for id := uint64(1); id <= 4; id++ {
			demands[id].Store(int64(10 * id))
			r := &running{bus: a.bus()}
			role := RoleGateway
			if id == 4 {
				role = RoleRouter
			}
			cfg := r.config(id, role)
			cfg.Demand = func() float64 { return float64(demands[id].Load()) }
			var err error
			if r.Member, err = newMember(r.bus, cfg); err != nil {
				t.Fatal(err)
			}
			r.run(t)
			nodes = append(nodes, r)
		}
		sees := func(i int, want ...float64) {
			t.Helper()
			synctest.Wait()
			if got := slices.Sorted(slices.Values(nodes[i].Demands())); !slices.Equal(got, want) {
				t.Errorf("node %d sees %v, want %v", i+1, got, want)
			}
		}
		for _, r := range nodes {
			<-r.Ready()
		}
		sees(0) // they are joining
		for _, r := range nodes {
			r.Activate()
		}
		sees(0, 20, 30)
		sees(2, 10, 20)
		sees(3)
		synctest.Wait()
		demands[2].Store(0)
		time.Sleep(1100 * time.Millisecond)
		sees(0, 0, 30)
		nodes[2].bus.set(func(b *airBus) { b.deaf = true })
		time.Sleep(4 * time.Second)
		sees(0, 0)
		for _, r := range nodes {
			r.stop()
		}
		synctest.Wait()
	})
}
