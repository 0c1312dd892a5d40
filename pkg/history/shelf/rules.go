package shelf

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/realtime-cluster/realtime/pkg/history"
)

// Rules are which topics and rooms have history, and what keeps it. They can be replaced while they are used: what is on a shelf then
// stays with its rule, by name, and takes its new bounds; everything else goes by the new ones. Safe for concurrent use; nil: nothing has history.
type Rules struct {
	mu      sync.Mutex // held by Replace
	current atomic.Pointer[ruleSet]
}

// ruleSet does not change.
type ruleSet struct {
	policy history.Policy
	named  map[string]*history.Rule // those that were replaced included, as they were last
	stores map[string]history.Store // by the name of the rule; likewise
}

// NewRules makes Rules.
func NewRules(policy history.Policy, stores map[string]history.Store) *Rules {
	r := &Rules{}
	r.Replace(policy, stores)
	return r
}

// Replace puts a policy into force. stores has what keeps the histories of its rules, by their names; one that is not among them stays as it was.
func (r *Rules) Replace(policy history.Policy, stores map[string]history.Store) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := &ruleSet{named: make(map[string]*history.Rule), stores: make(map[string]history.Store)}
	if was := r.current.Load(); was != nil {
		maps.Copy(next.named, was.named)
		maps.Copy(next.stores, was.stores)
	}
	for _, rule := range policy {
		if was := next.named[rule.Name]; was != nil {
			rule = successor(rule, was)
		}
		next.named[rule.Name] = rule
		next.policy = append(next.policy, rule)
	}
	maps.Copy(next.stores, stores)
	r.current.Store(next)
}

// successor is a rule in the place of an earlier one of its name.
func successor(rule, was *history.Rule) *history.Rule {
	shortest := was.Age
	if was.Shortest > 0 {
		shortest = min(shortest, was.Shortest)
	}
	if shortest >= rule.Age {
		return rule
	}
	next := *rule
	next.Shortest = shortest
	return &next
}

// Policy is the one in force.
func (r *Rules) Policy() history.Policy {
	if r == nil {
		return nil
	}
	return r.current.Load().policy
}

// latest is a rule as it is now.
func (r *Rules) latest(rule *history.Rule) *history.Rule {
	if r == nil {
		return rule
	}
	if now := r.current.Load().named[rule.Name]; now != nil {
		return now
	}
	return rule
}

// store is what keeps the histories of a rule; nil for one that is not known.
func (r *Rules) store(rule *history.Rule) history.Store {
	if r == nil {
		return nil
	}
	return r.current.Load().stores[rule.Name]
}

// stores are all of them.
func (r *Rules) stores() map[string]history.Store { return r.current.Load().stores }
