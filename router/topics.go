package router

import (
	"strings"

	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/hot"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/rules/enforce"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// interest is who has subscribers of one topic or pattern.
type interest struct {
	owner.Interest
	told uint64 // the view by which it was last told
}

// topics is one lane's share of the router: the topics that it owns, and every
// pattern. It is owned by the lane's goroutine.
type topics struct {
	lane    *owner.Lane
	metrics *metrics

	exact    map[string]*interest
	patterns topic.Tree[*interest]

	rules   *enforce.Enforcer // nil: there are none
	history *shelf.Rules
	shelf   *shelf.Shelf // of the topics that have one
	hot     hot.Sampler

	publisher
}

func newTopics(l *owner.Lane, m *metrics, h *shelf.Config, rates *hot.Counter) *topics {
	t := &topics{lane: l, metrics: m, exact: make(map[string]*interest), history: h.Rules, hot: rates.Sampler()}
	t.shelf = shelf.New(l, h, (*desk)(t))
	return t
}

// Key implements owner.Handler: a topic is owned, a pattern concerns every lane.
func (t *topics) Key(rec wire.Record) (key string, keyed bool, err error) {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		err = p.Decode(rec.Body)
		return p.Topic, true, err
	case wire.KindFetch:
		var f wire.Fetch
		err = f.Decode(rec.Body)
		return f.Key, true, err
	case wire.KindTrack:
		var p wire.Placed
		err = p.Decode(rec.Body)
		return p.Key, true, err
	case wire.KindAsk:
		var a wire.Ask
		err = a.Decode(rec.Body)
		return a.Key, true, err
	}
	var i wire.Interest
	err = i.Decode(rec.Body)
	return i.Topic, !topic.IsPattern(i.Topic), err
}

// Apply implements owner.Handler.
func (t *topics) Apply(from owner.Source, rec wire.Record) {
	switch rec.Kind {
	case wire.KindPublish:
		t.publish(from, rec)
		return
	case wire.KindFetch:
		var f wire.Fetch
		if f.Decode(rec.Body) == nil {
			t.fetch(from, &f)
		}
		return
	case wire.KindAsk:
		var a wire.Ask
		if a.Decode(rec.Body) == nil {
			t.query(from, &a)
		}
		return
	}
	var i wire.Interest
	if i.Decode(rec.Body) != nil {
		return
	}
	switch rec.Kind {
	case wire.KindJoin:
		if rule := t.rule(i.Topic); rule != nil && !topic.IsPattern(i.Topic) {
			t.joinStored(from, rule, &i)
			return
		}
		t.join(from, i.Topic, t.lane.View(), false)
		t.done(from, wire.Done{Op: i.Op})
	case wire.KindFence:
		t.fence(from, &i)
	case wire.KindLeave:
		t.leave(from.Gateway, i.Topic, 1<<from.Loop)
	}
}

// Tell implements owner.Handler: a gateway's account of a topic that moved.
func (t *topics) Tell(from owner.Source, view uint64, rec wire.Record) {
	if rec.Kind == wire.KindTrack {
		var p wire.Placed
		if p.Decode(rec.Body) == nil {
			t.verify(from, p.Key, p.At)
		}
		return
	}
	var i wire.Interest
	if i.Decode(rec.Body) != nil {
		return
	}
	t.join(from, i.Topic, view, true)
	if i.Placed {
		t.verify(from, i.Topic, i.At)
	}
}

// Refuse implements owner.Handler.
func (t *topics) Refuse(from owner.Source, rec wire.Record) { t.refuseRecord(from, rec, changing) }

func (t *topics) refuseRecord(from owner.Source, rec wire.Record, e protocol.Error) {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		if p.Decode(rec.Body) == nil {
			t.refuse(from, p.Op, p.Conn, p.ID, e)
		}
	case wire.KindFetch:
		var f wire.Fetch
		if f.Decode(rec.Body) == nil {
			t.page(from, f.Op, &wire.Page{Code: uint16(e.Code)})
		}
	case wire.KindAsk:
		var a wire.Ask
		if a.Decode(rec.Body) == nil {
			t.refuse(from, a.Op, a.Conn, a.ID, e)
		}
	default:
		var i wire.Interest
		if i.Decode(rec.Body) == nil {
			t.done(from, wire.Done{Op: i.Op, Code: uint16(e.Code)})
		}
	}
}

// Forget implements owner.Handler.
func (t *topics) Forget(g *owner.Gateway) { t.withdraw(g, owner.AllLoops) }

// withdraw drops the interest of some of a gateway's loops, a bit for each.
func (t *topics) withdraw(g *owner.Gateway, loops uint64) {
	for name, i := range t.exact {
		if i.Remove(g, loops); i.Empty() {
			delete(t.exact, name)
			t.metrics.topics.Dec()
		}
	}
	var empty []string
	for pattern, i := range t.patterns.All() {
		if i.Remove(g, loops); i.Empty() {
			empty = append(empty, pattern)
		}
	}
	for _, pattern := range empty {
		t.patterns.Delete(pattern)
		t.metrics.topics.Dec()
	}
}

// Keep implements owner.Handler. Patterns stay: they are everybody's.
func (t *topics) Keep(keep func(key string, view uint64) bool) {
	for name, i := range t.exact {
		if !keep(name, i.told) {
			delete(t.exact, name)
			t.metrics.topics.Dec()
		}
	}
	t.shelf.Keep(func(key string) bool { return keep(key, t.lane.View()) })
}

// Reset implements owner.Handler.
func (t *topics) Reset() {
	t.metrics.topics.Sub(float64(len(t.exact) + t.patterns.Len()))
	t.exact = make(map[string]*interest)
	t.patterns = topic.Tree[*interest]{}
	t.shelf.Reset()
}

func (t *topics) find(name string) *interest {
	if topic.IsPattern(name) {
		i, _ := t.patterns.Get(name)
		return i
	}
	return t.exact[name]
}

// join notes a gateway's interest. told says that the gateway tells it by a view which
// this lane may not know yet: that must not be forgotten before it does.
func (t *topics) join(from owner.Source, name string, view uint64, told bool) {
	i := t.find(name)
	if i != nil && told {
		i.told = view
	}
	if i == nil {
		i = &interest{told: view}
		name = strings.Clone(name) // it aliases the batch
		if topic.IsPattern(name) {
			t.patterns.Set(name, i)
		} else {
			t.exact[name] = i
		}
		t.metrics.topics.Inc()
	}
	i.Add(from.Gateway, from.Loop)
}

func (t *topics) leave(g *owner.Gateway, name string, loops uint64) {
	i := t.find(name)
	if i == nil {
		return
	}
	if i.Remove(g, loops); !i.Empty() {
		return
	}
	if topic.IsPattern(name) {
		t.patterns.Delete(name)
	} else {
		delete(t.exact, name)
	}
	t.metrics.topics.Dec()
}
