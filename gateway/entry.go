package gateway

import (
	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// entryKind is what an entry is about.
type entryKind uint8

const (
	kindTopic entryKind = iota // or a pattern
	kindUser                   // the connections of one user
	kindRoom                   // the connections of a room's members
	kindWatch                  // the connections that watch a user
)

// entry is a key, or a pattern, that connections of this loop are interested in: what its owner
// delivers goes to them.
type entry struct {
	name  string // the key
	hash  uint64
	owner *upstream // who has been told last; nil for patterns: everyone
	subs  []subscriber
	more  *extra // nil while there is nothing in it

	pending int32  // ops under way for it: it is not given up while there are any
	count   uint32 // of a user: how many connections the owner was told of

	kind    entryKind
	pattern bool
	joined  bool // an owner has been asked for it
	ready   bool // of a room: its owner sends here what is said in it
}

// extra is what few entries have.
type extra struct {
	state wire.State   // what the owner deposited for the next one
	rooms []membership // of a user

	changes map[uint32]*change // of a pattern: by the connection's slot
	unmet   bool               // a user's last connection began without an answer of the user's owner
}

// subscriber is one connection in an entry; subscription is its other end.
type subscriber struct {
	slot uint32
	at   uint32 // index in the connection's subs
}

type subscription struct {
	entry *entry
	at    uint32 // index in the entry's subs

	// Of what has history: the low bits of the offset up to which the client has read, and, while it is being asked,
	// will have.
	got, sent uint32
}

// extra returns the entry's extra, to be filled.
func (e *entry) extra() *extra {
	if e.more == nil {
		e.more = &extra{}
	}
	return e.more
}

// realm is where the owner of an entry is.
func (l *loop) realm(e *entry) *realm {
	if e.kind == kindTopic {
		return &l.routers
	}
	return &l.presences
}

// change is what becomes of a connection's subscription; nil: nothing.
func (e *entry) change(slot uint32) *change {
	if e.more == nil {
		return nil
	}
	return e.more.changes[slot]
}

// unchanging forgets it.
func (e *entry) unchanging(slot uint32) {
	if e.more != nil {
		delete(e.more.changes, slot)
	}
}

// state is what the next owner is to be told.
func (e *entry) state() wire.State {
	if e.more == nil {
		return wire.State{}
	}
	return e.more.state
}

// topicEntry finds or begins the entry of a topic or pattern.
func (l *loop) topicEntry(name string) *entry {
	e := l.entries[name]
	if e == nil {
		e = &entry{name: name, hash: cluster.Hash(name), pattern: topic.IsPattern(name)}
		l.entries[name] = e
		if e.pattern {
			l.patterns.Set(name, e)
		}
	}
	return e
}

// presenceEntry finds or begins an entry whose owner is a presence node.
func (l *loop) presenceEntry(kind entryKind, key string) *entry {
	e := l.entries[key]
	if e == nil {
		e = &entry{name: key, hash: cluster.Hash(wire.OwnerKey(key)), kind: kind}
		l.entries[key] = e
	}
	return e
}

// deposited keeps what an owner wants the next one to be told.
func (l *loop) deposited(d *wire.Deposit) {
	if e := l.entries[d.Key]; e != nil && d.State.Version > e.state().Version {
		e.extra().state = wire.State{Version: d.State.Version, Body: append([]byte(nil), d.State.Body...)}
	}
}
