package owner

import "github.com/realtime-cluster/realtime/pkg/wire"

// Handler is what a lane owns keys for. A lane calls it from its own goroutine only.
type Handler interface {
	// Key returns the key that decides who owns a record. keyed is false for a record
	// that concerns every lane (a pattern): it is applied wherever it arrives.
	Key(wire.Record) (key string, keyed bool, err error)

	// Apply deals with a record of a key that this lane owns, in order.
	Apply(from Source, rec wire.Record)

	// Tell takes what a gateway says about a key of its own accord (a Join without an op),
	// at once, whatever the state of the view. view is the one it went by.
	Tell(from Source, view uint64, rec wire.Record)

	// Refuse answers a record that could not be dealt with: Error 503.
	Refuse(from Source, rec wire.Record)

	// Forget drops all that a gateway said: it is gone.
	Forget(*Gateway)

	// Keep drops the keys for which keep is false: they belong to others now. view is
	// the version of the view by which the key was last told.
	Keep(keep func(key string, view uint64) bool)

	// Reset drops everything: this node was deposed.
	Reset()
}

// Source is where a record came from.
type Source struct {
	*Gateway
	Loop uint16 // the gateway's loop
}
