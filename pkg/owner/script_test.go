package owner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// script drives lane 0 of router 1 by hand: a gateway with one loop, number 100, and other routers with a lane
// each, of which only the words arrive.
type script struct {
	*testing.T
	lane  *Detached
	notes *noteHandler
	now   time.Time
	seqs  map[uint64]uint64
}

const (
	scriptSelf    = 1
	scriptGateway = 100
)

func newScript(t *testing.T) *script {
	s := &script{T: t, notes: &noteHandler{}, now: time.Unix(1e9, 0), seqs: make(map[uint64]uint64)}
	cfg := Config{
		Handler: func(l *Lane) Handler { s.notes.simHandler = newSimHandler(newSimOf(t, 0), l); return s.notes },
		Log:     zap.NewNop(), Registerer: prometheus.NewRegistry(),
	}
	s.lane = Detach(cfg, scriptNode(scriptSelf), 0, func(string, string, []byte) error { return nil })
	return s
}

func scriptNode(id uint64) cluster.Node {
	return cluster.Node{Ref: cluster.Ref{ID: id}, Role: cluster.RoleRouter, Lanes: 1, State: cluster.Active}
}

// scriptView is the view of some routers.
func scriptView(ids ...uint64) *cluster.View {
	v := &cluster.View{Role: cluster.RoleRouter}
	for _, id := range ids {
		v.Active = append(v.Active, scriptNode(id))
		v.Version = v.Version*10 + id
	}
	return v
}

// scriptKey is a key of which each owner owns it in a view.
func scriptKey(owners map[*cluster.View]uint64) string {
	for i := 0; ; i++ {
		key, fits := fmt.Sprintf("key.%d", i), true
		for v, id := range owners {
			fits = fits && v.Active[v.Owner(cluster.Hash(key))].ID == id
		}
		if fits {
			return key
		}
	}
}

// adopt has the lane follow a view.
func (s *script) adopt(v *cluster.View) {
	gateways := &cluster.View{Role: cluster.RoleGateway, Version: 1, Active: []cluster.Node{
		{Ref: cluster.Ref{ID: scriptGateway}, Role: cluster.RoleGateway, Lanes: 1, State: cluster.Active},
	}}
	s.lane.Adopt(s.now, &cluster.Views{Gateways: gateways, Routers: v, Presences: &cluster.View{Role: cluster.RolePresence}})
}

// receive has a batch of one record come from the gateway or from a router, which acknowledges all that it got.
func (s *script) receive(from uint64, v *cluster.View, add func([]byte) []byte) {
	dir, ack := wire.DirPeer, wire.DirPeer
	if from == scriptGateway {
		dir, ack = wire.DirUp, wire.DirDown
	}
	h := wire.Header{FromID: from, Lanes: 1, View: v.Version}
	for _, o := range s.lane.lane.outs {
		if o != nil && o.Sent() > 0 {
			b := wire.AppendAck(wire.AppendHeader(nil, h), wire.Ack{Dir: ack, Seq: o.Sent()})
			s.lane.Receive(s.now, b, dir)
		}
	}
	s.seqs[from]++
	h.Seq, h.Base = s.seqs[from], 1
	s.lane.Receive(s.now, add(wire.AppendHeader(nil, h)), dir)
}

// synced has the gateway say that it goes by a view, and released a router.
func (s *script) synced(v *cluster.View) {
	s.receive(scriptGateway, v, func(b []byte) []byte { return wire.AppendMark(b, wire.KindSynced, wire.Mark{View: v.Version}) })
}

func (s *script) released(id uint64, v *cluster.View) {
	s.receive(id, v, func(b []byte) []byte { return wire.AppendMark(b, wire.KindReleased, wire.Mark{View: v.Version}) })
}

// interest has the gateway send a record about its interest.
func (s *script) interest(v *cluster.View, kind wire.Kind, op uint64, key string) {
	s.receive(scriptGateway, v, func(b []byte) []byte {
		return wire.AppendInterest(b, kind, wire.Interest{Op: op, Topic: key})
	})
}

// wants checks whether the lane knows of the gateway's interest.
func (s *script) wants(key string, want bool) {
	s.Helper()
	if got := len(s.notes.interest(key)) > 0; got != want {
		s.Fatalf("interest in %s: %t, want %t", key, got, want)
	}
}

// open checks that the lane's view is open.
func (s *script) open() {
	s.Helper()
	if !s.lane.lane.Open() {
		s.Fatalf("the view is not open: missing %v", s.lane.lane.missing())
	}
}

// noteHandler is a simHandler that notes what is refused.
type noteHandler struct {
	*simHandler
	refused []wire.Kind
}

func (h *noteHandler) Refuse(_ Source, rec wire.Record) { h.refused = append(h.refused, rec.Kind) }

// What is forwarded to an owner that is open already comes too late: what its sender sent
// later may have come directly. It is refused.
func TestForwardedTooLate(t *testing.T) {
	s := newScript(t)
	v := scriptView(scriptSelf, 2)
	key := scriptKey(map[*cluster.View]uint64{v: scriptSelf})
	s.adopt(v)
	s.synced(v)
	s.released(2, v)
	s.open()
	var rec wire.Record
	for r := range wire.Records(wire.AppendPublish(wire.AppendHeader(nil, wire.Header{}), &wire.Publish{Op: 1, Topic: key})) {
		rec = r
	}
	s.receive(2, v, func(b []byte) []byte {
		return wire.AppendForward(b, &wire.Forward{FromID: scriptGateway, Lanes: 1, View: v.Version, Record: rec})
	})
	if !slices.Equal(s.notes.refused, []wire.Kind{wire.KindPublish}) {
		t.Fatalf("refused %v, want the Publish", s.notes.refused)
	}
}

// A Join that is forwarded is also noted: its gateway may never hear of the view by which the key was another's, and
// tells nobody again.
func TestForwardedJoinIsKept(t *testing.T) {
	s := newScript(t)
	first, second, third := scriptView(scriptSelf, 3), scriptView(scriptSelf, 2, 3), scriptView(scriptSelf, 3, 4)
	key := scriptKey(map[*cluster.View]uint64{first: scriptSelf, second: 2, third: scriptSelf})
	s.adopt(first)
	s.synced(first)
	s.released(3, first)
	s.open()
	s.adopt(second)
	s.interest(first, wire.KindJoin, 1, key)
	s.adopt(third) // router 2 died
	s.synced(third)
	s.released(3, third)
	s.released(4, third)
	s.open()
	s.wants(key, true)
}

// What was forwarded is forgotten when the gateway goes by the view that gives the key to another.
func TestForwardedJoinIsForgotten(t *testing.T) {
	s := newScript(t)
	first, second := scriptView(scriptSelf, 3), scriptView(scriptSelf, 2, 3)
	key := scriptKey(map[*cluster.View]uint64{first: scriptSelf, second: 2})
	s.adopt(first)
	s.synced(first)
	s.released(3, first)
	s.open()
	s.adopt(second)
	s.interest(first, wire.KindJoin, 1, key)
	s.wants(key, true)
	s.synced(second)
	s.released(2, second)
	s.released(3, second)
	s.open()
	s.wants(key, false)
}

// A Leave takes effect at once, like what is told: kept waiting, it would end the interest that was told
// after it.
func TestLeaveKeepsItsPlace(t *testing.T) {
	s := newScript(t)
	first, second := scriptView(scriptSelf, 2), scriptView(scriptSelf, 3)
	key := scriptKey(map[*cluster.View]uint64{first: 2, second: scriptSelf})
	s.adopt(first)
	s.synced(first)
	s.released(2, first)
	s.open()
	s.adopt(second)
	s.interest(second, wire.KindJoin, 0, key)
	s.synced(second)
	s.interest(second, wire.KindLeave, 0, key)
	s.wants(key, false)
	s.interest(second, wire.KindJoin, 0, key) // the key was another's meanwhile, by a view that never came here
	s.released(3, second)
	s.open()
	s.wants(key, true)
}

// What is told by a view that is still to come here stays, although that was said of before everything else of
// the current one.
func TestToldAhead(t *testing.T) {
	s := newScript(t)
	first, second, third := scriptView(scriptSelf, 2), scriptView(scriptSelf, 2, 3), scriptView(scriptSelf, 3)
	key := scriptKey(map[*cluster.View]uint64{first: 2, second: 2, third: scriptSelf})
	s.adopt(first)
	s.synced(first)
	s.released(2, first)
	s.open()
	s.adopt(second)
	s.synced(second)
	s.interest(third, wire.KindJoin, 0, key)
	s.released(2, second)
	s.released(3, second)
	s.open()
	s.wants(key, true)
	s.adopt(third)
	s.synced(third)
	s.released(3, third)
	s.open()
	s.wants(key, true)
}
