package router

import (
	"strings"

	"github.com/realtime-cluster/realtime/pkg/owner"
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

	publisher
}

func newTopics(l *owner.Lane, m *metrics) *topics {
	return &topics{lane: l, metrics: m, exact: make(map[string]*interest)}
}

// Key implements owner.Handler: a topic is owned, a pattern concerns every lane.
func (t *topics) Key(rec wire.Record) (key string, keyed bool, err error) {
	if rec.Kind == wire.KindPublish {
		var p wire.Publish
		err = p.Decode(rec.Body)
		return p.Topic, true, err
	}
	var i wire.Interest
	err = i.Decode(rec.Body)
	return i.Topic, !topic.IsPattern(i.Topic), err
}

// Apply implements owner.Handler.
func (t *topics) Apply(from owner.Source, rec wire.Record) {
	if rec.Kind == wire.KindPublish {
		t.publish(from, rec)
		return
	}
	var i wire.Interest
	if i.Decode(rec.Body) != nil {
		return
	}
	switch rec.Kind {
	case wire.KindJoin:
		t.join(from, i.Topic, t.lane.View(), false)
		t.done(from, i.Op, 0)
	case wire.KindFence:
		t.done(from, i.Op, 0)
	case wire.KindLeave:
		t.leave(from.Gateway, i.Topic, 1<<from.Loop)
	}
}

// Tell implements owner.Handler: a gateway's account of a topic that moved.
func (t *topics) Tell(from owner.Source, view uint64, rec wire.Record) {
	var i wire.Interest
	if i.Decode(rec.Body) == nil {
		t.join(from, i.Topic, view, true)
	}
}

// Refuse implements owner.Handler.
func (t *topics) Refuse(from owner.Source, rec wire.Record) {
	if rec.Kind == wire.KindPublish {
		t.unavailable(from, rec)
		return
	}
	var i wire.Interest
	if i.Decode(rec.Body) == nil {
		t.done(from, i.Op, 503)
	}
}

// Forget implements owner.Handler.
func (t *topics) Forget(g *owner.Gateway) {
	for name, i := range t.exact {
		if i.Remove(g, owner.AllLoops); i.Empty() {
			delete(t.exact, name)
			t.metrics.topics.Dec()
		}
	}
	var empty []string
	for pattern, i := range t.patterns.All() {
		if i.Remove(g, owner.AllLoops); i.Empty() {
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
}

// Reset implements owner.Handler.
func (t *topics) Reset() {
	t.metrics.topics.Sub(float64(len(t.exact) + t.patterns.Len()))
	t.exact = make(map[string]*interest)
	t.patterns = topic.Tree[*interest]{}
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

func (t *topics) done(to owner.Source, op uint64, code uint16) {
	if op == 0 {
		return
	}
	b := wire.AppendDone(t.lane.Begin(to.Gateway), wire.Done{Loop: uint8(to.Loop), Op: op, Code: code})
	t.lane.End(to.Gateway, b)
}
