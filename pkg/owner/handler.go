package owner

import "github.com/realtime-cluster/realtime/pkg/wire"

// Handler is what a lane owns keys for. A lane calls it from its own goroutine only.
type Handler interface {
	// Key returns the key that decides who owns a record. keyed is false for a record
	// that concerns every lane (a pattern): it is applied wherever it arrives.
	Key(wire.Record) (key string, keyed bool, err error)

	// Apply deals with a record of a key that this lane owns, in order. A Leave without an op comes as
	// what is told does: at once.
	Apply(from Source, rec wire.Record)

	// Tell takes what a gateway says about a key of its own accord (wire.Record.Told), at once,
	// whatever the state of the view and whoever owns the key. view is the one it went by.
	Tell(from Source, view uint64, rec wire.Record)

	// Refuse answers a record that could not be dealt with: Error 503.
	Refuse(from Source, rec wire.Record)

	// Failed is called when a panic ended Apply or Tell. It answers the record with Error 500 where that asks for an answer,
	// and makes what is known of its key sound again, or gives that up, and everything that was shared in the making. It
	// reports whether that is so; otherwise the lane ends, and another one takes its place that is told everything anew.
	Failed(from Source, rec wire.Record) bool

	// Forget drops all that a gateway said: it is gone.
	Forget(*Gateway)

	// ForgetLoop drops all that one of a gateway's loops said: it begins again, without the connections it had.
	ForgetLoop(Source)

	// Keep drops the keys for which keep is false: they belong to others. view is the version of the view
	// by which the key was last told.
	Keep(keep func(key string, view uint64) bool)

	// Reset drops everything: this node was deposed.
	Reset()
}

// Telling is a Handler whose keys concern each other across lanes and nodes, as users and
// rooms do: the lanes of its role tell each other (Lane.Tell). What is told is soft: it may be
// lost with a node, and is told again to whoever owns a key next.
type Telling interface {
	Working

	// Peer takes what another lane told about a key, at once, whatever the state of the
	// view. view is the one it went by.
	Peer(view uint64, rec wire.Record)

	// Moved is called when a new view was adopted, before anything is released by it: the
	// new owners of keys (Lane.Moved) are to be told what this lane knows.
	Moved()

	// Opened is called when the keys of the current view are all open.
	Opened()

	// Undelivered takes the records, oldest first, that a gateway never acknowledged: it is gone, and may or may
	// not have had them. Forget is called next.
	Undelivered(g *Gateway, rec wire.Record)
}

// Working is a Handler that has work done elsewhere, and by time.
type Working interface {
	Handler

	// Settled reports whether nothing is under way any more for keys that belong to others by the current view: their
	// new owners wait for it, HoldMax at most.
	Settled() bool

	// Tick is called at least four times a second.
	Tick()
}

// Source is where a record came from.
type Source struct {
	*Gateway
	Loop uint16 // the gateway's loop
}
