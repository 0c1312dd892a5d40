package shelf

import (
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
)

// TestRulesAreReplaced: by name, and what was in force is known on.
func TestRulesAreReplaced(t *testing.T) {
	rule := func(name, topic string, age time.Duration) *history.Rule {
		return &history.Rule{Name: name, Topics: []string{topic}, Size: 10, Age: age}
	}
	store := struct{ history.Store }{}
	r := NewRules(history.Policy{rule("a", "a.>", time.Hour), rule("b", "b.>", time.Hour)}, map[string]history.Store{"a": store, "b": store})
	a, b := r.Policy().OfTopic("a.1"), r.Policy().OfTopic("b.1")
	r.Replace(history.Policy{rule("a", "a.>", time.Minute), rule("c", "c.>", time.Hour)}, map[string]history.Store{"c": store})
	if r.Policy().OfTopic("b.1") != nil || r.Policy().OfTopic("c.1") == nil {
		t.Error("the policy is not the new one")
	}
	if now := r.latest(a); now.Age != time.Minute || now.Shortest != 0 {
		t.Errorf("a is %+v", now)
	}
	if now := r.latest(b); now != b || r.store(b) == nil {
		t.Errorf("b, which is gone, is %+v", now)
	}
	// An age that grew: what was stored before was kept for less.
	r.Replace(history.Policy{rule("a", "a.>", 24*time.Hour)}, nil)
	if now := r.latest(a); now.Age != 24*time.Hour || now.Shortest != time.Minute || r.store(now) == nil {
		t.Errorf("a is %+v", now)
	}
	r.Replace(history.Policy{rule("a", "a.>", 2*time.Hour)}, nil)
	if now := r.Policy().OfTopic("a.1"); now.Age != 2*time.Hour || now.Shortest != time.Minute {
		t.Errorf("a is %+v", now)
	}
	r.Replace(history.Policy{rule("a", "a.>", time.Second)}, nil)
	if now := r.latest(a); now.Age != time.Second || now.Shortest != 0 {
		t.Errorf("a is %+v", now)
	}
	if none := (*Rules)(nil); none.Policy().OfTopic("a.1") != nil || none.latest(a) != a {
		t.Error("nil Rules have a rule")
	}
}
