package owner

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// panicHandler panics with some kinds of records.
type panicHandler struct {
	*noteHandler
	with    []wire.Kind
	applied []wire.Kind
}

func (h *panicHandler) Apply(from Source, rec wire.Record) {
	if slices.Contains(h.with, rec.Kind) {
		panic("broken")
	}
	h.applied = append(h.applied, rec.Kind)
}

func (h *panicHandler) Failed(from Source, rec wire.Record) bool {
	h.Refuse(from, rec)
	return rec.Kind == wire.KindPublish
}

// A record that panics is answered, and those behind it in its batch are dealt with. Where the handler does not know what
// is left of it, the lane fails, when the record has been answered.
func TestPanicCostsOneRecord(t *testing.T) {
	s := newScript(t)
	v := scriptView(scriptSelf)
	key := scriptKey(map[*cluster.View]uint64{v: scriptSelf})
	s.adopt(v)
	s.synced(v)
	s.open()
	h := &panicHandler{noteHandler: s.notes, with: []wire.Kind{wire.KindPublish}}
	s.lane.lane.handler = h
	s.receive(scriptGateway, v, func(b []byte) []byte {
		b = wire.AppendInterest(b, wire.KindFence, wire.Interest{Op: 1, Topic: key})
		b = wire.AppendPublish(b, &wire.Publish{Op: 2, Topic: key})
		return wire.AppendInterest(b, wire.KindFence, wire.Interest{Op: 3, Topic: key})
	})
	if want := []wire.Kind{wire.KindFence, wire.KindFence}; !slices.Equal(h.applied, want) {
		t.Errorf("applied %v, want %v", h.applied, want)
	}
	if want := []wire.Kind{wire.KindPublish}; !slices.Equal(h.refused, want) {
		t.Errorf("answered %v, want %v", h.refused, want)
	}
	if n := testutil.ToFloat64(s.lane.lane.metrics.panics); n != 1 {
		t.Errorf("%v panics counted", n)
	}

	h.with = []wire.Kind{wire.KindJoin}
	failed := func() (value any) {
		defer func() { value = recover() }()
		s.interest(v, wire.KindJoin, 4, key)
		return nil
	}()
	if failed == nil || !slices.Equal(h.refused, []wire.Kind{wire.KindPublish, wire.KindJoin}) {
		t.Errorf("the lane failed with %v, and had answered %v", failed, h.refused)
	}
}
