package owner

import "github.com/realtime-cluster/realtime/pkg/wire"

// Handler is what a lane owns keys for. A lane calls it from its own goroutine only.
type Handler interface {
	// Key returns the key that decides who owns a record. keyed is false for a record
	// that concerns every lane (a pattern): it is applied wherever it arrives.
	Key(wire.Record) (key string, keyed bool, err error)

	// Apply deals with a record of a key that this lane owns, in order. What a gateway
	// tells of its own accord (a Join or Leave without an op) comes before the key is open.
	Apply(from Source, rec wire.Record)

	// Refuse answers a record that could not be dealt with: Error 503.
	Refuse(from Source, rec wire.Record)

	// Forget drops all that a gateway said: it is gone.
	Forget(*Gateway)

	// Keep drops the keys for which keep is false: they belong to others now.
	Keep(keep func(key string) bool)

	// Reset drops everything: this node was deposed.
	Reset()
}

// Source is where a record came from.
type Source struct {
	*Gateway
	Loop uint16 // the gateway's loop
}
