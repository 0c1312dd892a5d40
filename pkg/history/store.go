package history

import (
	"context"
	"errors"
	"time"
)

// Errors of a Store. Others say that the call was wrong.
var (
	// ErrConflict refuses an entry: the key's last one is not the one that it was to follow, or another is
	// being written just now.
	ErrConflict = errors.New("history: another entry was written meanwhile")
	// ErrUnavailable says that the store did not answer, or not in time. What was to be written may have been,
	// or may be later.
	ErrUnavailable = errors.New("history: the store is away")
	// ErrRefused says that an entry was not written and will not be: it is too large, or the store is full.
	ErrRefused = errors.New("history: the store refuses it")
)

// Stored is an entry as a Store has it.
type Stored struct {
	Seq  uint64    // of the entry in the store; grows along a key's chain, with gaps; never 0
	Time time.Time // when it was written, by the store's clock
	Data []byte    // an encoded Entry
}

// Store keeps the entries of the keys of one Rule. Its methods are safe for concurrent use.
//
// Reads may be answered by a replica that is behind; only Last of one key is not. Nothing that a Log does is wrong if
// they are: what it writes on the ground of an old read is refused.
type Store interface {
	// Append writes data as the entry that follows the one with sequence number after, 0: as the first that the store
	// has of the key. It does not block. done is called once, on another goroutine, with the new sequence number or an error that
	// wraps ErrConflict, ErrUnavailable or ErrRefused. Calls for one key are made one after another.
	Append(key string, after uint64, data []byte, done func(seq uint64, err error))

	// Last reads the newest entries of keys. A key that has none is not in the result. What was acknowledged before is
	// seen of one key; of several at once the result may be what was there a moment ago.
	Last(ctx context.Context, keys []string) (map[string]Stored, error)

	// Read reads entries of a key, oldest first: at most limit, and no more once bytes of data were read, but one at least when
	// there is one. It begins at the first whose Seq is from or higher.
	Read(ctx context.Context, key string, from uint64, limit, bytes int) ([]Stored, error)

	// ReadSince is Read from the first that was written at since or later.
	ReadSince(ctx context.Context, key string, since time.Time, limit, bytes int) ([]Stored, error)

	// Trim removes the entries of a key whose Seq is lower than before.
	Trim(ctx context.Context, key string, before uint64) error
}
