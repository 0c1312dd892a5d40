package topic

import (
	"iter"
	"strings"
)

// Tree maps patterns to one value each and finds all that match a topic, by descending token
// by token: the cost follows the patterns that share the topic's beginning, not their number.
// Exact topics are patterns too. Its zero value is empty and ready for use.
//
// A Tree belongs to one goroutine. Patterns are taken to be valid, and are kept: a caller
// that cut one out of a large or reused buffer clones it first.
type Tree[V any] struct {
	root node[V]
	n    int
}

// node is reached by one token. It stays in the tree while it has a value or a child.
type node[V any] struct {
	kids    map[string]*node[V] // by literal token
	one     *node[V]            // by "*"
	tail    *node[V]            // by a last ">"
	pattern string              // the whole way here, when set
	value   V
	set     bool // a pattern ends here
}

// Len returns the number of patterns.
func (t *Tree[V]) Len() int { return t.n }

// Get returns the value of exactly this pattern; wildcards in it are not expanded.
func (t *Tree[V]) Get(pattern string) (V, bool) {
	n, rest := &t.root, pattern
	for more := true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if n = n.child(token, !more); n == nil {
			var none V
			return none, false
		}
	}
	return n.value, n.set
}

// Set gives pattern the value v, in place of the one it may have had.
func (t *Tree[V]) Set(pattern string, v V) {
	n, rest := &t.root, pattern
	for more := true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		n = n.grow(token, !more)
	}
	if !n.set {
		n.pattern, n.set = pattern, true
		t.n++
	}
	n.value = v
}

// Delete removes pattern and every node that only it needed. It reports whether it was there.
func (t *Tree[V]) Delete(pattern string) bool {
	if !t.root.remove(pattern) {
		return false
	}
	t.n--
	return true
}

// Match calls visit for each pattern that matches name by the rules of the function Match, in
// no order one may rely on. It allocates nothing. visit must not change the tree.
func (t *Tree[V]) Match(name string, visit func(pattern string, v V)) {
	if IsSystem(name) {
		// No wildcard in first place reaches a system topic: take the first token literally.
		token, rest, more := strings.Cut(name, ".")
		if kid := t.root.kids[token]; kid != nil {
			kid.enter(rest, more, visit)
		}
		return
	}
	t.root.match(name, visit)
}

// All lists the patterns and their values, in no particular order. The tree must not be
// changed meanwhile.
func (t *Tree[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) { t.root.each(yield) }
}

// match visits what matches rest, one or more tokens, below n. The depth is bounded by the
// tokens of a topic, and each node is entered at most once, whatever patterns clients choose.
func (n *node[V]) match(rest string, visit func(string, V)) {
	if n.tail != nil {
		visit(n.tail.pattern, n.tail.value)
	}
	token, rest, more := strings.Cut(rest, ".")
	if n.one != nil {
		n.one.enter(rest, more, visit)
	}
	if kid := n.kids[token]; kid != nil {
		kid.enter(rest, more, visit)
	}
}

// enter visits n itself where the name ends at it, else what matches below it.
func (n *node[V]) enter(rest string, more bool, visit func(string, V)) {
	if more {
		n.match(rest, visit)
	} else if n.set {
		visit(n.pattern, n.value)
	}
}

// child returns the node that token leads to, nil when there is none. Only a last ">" is a
// wildcard: elsewhere no valid pattern has it.
func (n *node[V]) child(token string, last bool) *node[V] {
	switch {
	case token == one:
		return n.one
	case token == tail && last:
		return n.tail
	default:
		return n.kids[token]
	}
}

// grow is child, making the node where there is none.
func (n *node[V]) grow(token string, last bool) *node[V] {
	kid := n.child(token, last)
	if kid == nil {
		kid = new(node[V])
		n.put(token, last, kid)
	}
	return kid
}

// put has token lead to kid, or nowhere when kid is nil.
func (n *node[V]) put(token string, last bool, kid *node[V]) {
	switch {
	case token == one:
		n.one = kid
	case token == tail && last:
		n.tail = kid
	case kid != nil:
		if n.kids == nil {
			n.kids = make(map[string]*node[V], 1)
		}
		n.kids[token] = kid
	default:
		if delete(n.kids, token); len(n.kids) == 0 {
			n.kids = nil // a map keeps the memory of its largest size
		}
	}
}

// remove clears the value at the end of rest and drops the nodes left empty on the way back.
func (n *node[V]) remove(rest string) bool {
	token, rest, more := strings.Cut(rest, ".")
	kid := n.child(token, !more)
	switch {
	case kid == nil:
		return false
	case more:
		if !kid.remove(rest) {
			return false
		}
	case !kid.set:
		return false
	default:
		var none V
		kid.pattern, kid.value, kid.set = "", none, false
	}
	if kid.empty() {
		n.put(token, !more, nil)
	}
	return true
}

func (n *node[V]) empty() bool {
	return !n.set && n.one == nil && n.tail == nil && len(n.kids) == 0
}

func (n *node[V]) each(yield func(string, V) bool) bool {
	if n == nil {
		return true
	}
	if n.set && !yield(n.pattern, n.value) {
		return false
	}
	for _, kid := range n.kids {
		if !kid.each(yield) {
			return false
		}
	}
	return n.one.each(yield) && n.tail.each(yield)
}
