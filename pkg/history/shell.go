package history

// Shell does for logs what they cannot: it writes, reads, and tells what came of it. Its methods do not call the
// log before they return, but for what Stored, Refused and an Item's Then do on purpose.
type Shell interface {
	// Append has an entry written (Store.Append) and then calls l.Appended.
	Append(l *Log, after uint64, data []byte)

	// Load has the tail of the key's chain read (Store.Last and then Read or ReadSince) and then calls l.Loaded: all entries that
	// follow the one with sequence number after, or, with fresh, all that were written within DEDUPE_WINDOW, and
	// the last one in any case. What it brings ends with the last entry that there is.
	Load(l *Log, after uint64, fresh bool)

	// Frame makes what subscribers get.
	Frame(l *Log, p *Publication, at Position) []byte

	// Deliver sends what is stored to the subscribers. it is nil when it did not come through this log.
	Deliver(l *Log, it *Item, r *Recent)

	// Ack tells the sender of an item that it is stored; duplicate: it had been before.
	Ack(l *Log, it *Item, at Position, duplicate bool)

	// Refuse tells the sender that an item is not known to be stored: err wraps ErrUnavailable or ErrRefused.
	Refuse(l *Log, it *Item, err error)
}
