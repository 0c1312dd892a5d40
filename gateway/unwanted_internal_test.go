package gateway

import (
	"testing"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Who sends what nobody here wants is told so, of topics; where somebody wants it, by a pattern too, nobody is.
func TestUnwantedIsLeft(t *testing.T) {
	w := newWorld(t)
	w.open(0)
	w.ask(w.clients[0], "Subscribe", []string{"a", "b.*"})
	w.collect()
	for w.busy() {
		w.answer(func(int) int { return 0 })
		w.collect()
	}
	const id = 2
	for _, c := range []struct {
		topic string
		want  bool
	}{{"a", false}, {"b.x", false}, {"a.y", true}, {wire.RoomKey("r"), false}, {wire.UserKey("u"), false}} {
		w.l.from, w.l.fromLane = w.l.routers.ups[cluster.Ref{ID: id}], 0
		w.l.source = w.l.from.outs[0]
		w.l.deliver(&wire.Deliver{Topic: c.topic, Frame: delivered, SentAt: 1})
		w.takeFrames(w.clients[0])
		w.collect()
		queue := w.owners[id].queue
		w.owners[id].queue = nil
		if got := len(queue) == 1 && queue[0].kind == wire.KindLeave && queue[0].topic == c.topic; got != c.want || len(queue) > 1 {
			t.Errorf("%q: the owner was sent %v, want a Leave: %t", c.topic, queue, c.want)
		}
	}
}
