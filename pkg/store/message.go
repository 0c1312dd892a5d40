package store

import (
	"errors"
	"fmt"
	"strconv"
)

// Message is a direct message.
type Message struct {
	ID      string // message_id: unique per sender; a message with an empty one is never taken for a repeat
	From    string // the sender
	Payload []byte // any bytes
	SentAt  int64  // Unix milliseconds

	// Metadata is what rules have set, raw JSON members; empty: nothing. It does not count for the queue's bounds.
	Metadata string
}

// Entry is a message that waits in a queue.
type Entry struct {
	Message
	Position string // in the queue: for Read's after, and for Remove
}

var errEntry = errors.New("not an entry of a queue")

// decode reads an entry as XRANGE replies it: its ID and a list of names and values, which
// append.lua wrote. Names it does not know are a later version's. With an error, the entry's
// position is still told where it can be read.
func decode(reply any) (Entry, error) {
	pair, _ := reply.([]any)
	if len(pair) != 2 {
		return Entry{}, errEntry
	}
	position, _ := pair[0].(string)
	fields, _ := pair[1].([]any)
	e := Entry{Position: position}
	known := 0
	for len(fields) >= 2 {
		name, _ := fields[0].(string)
		value, ok := fields[1].(string)
		if !ok {
			return Entry{Position: position}, errEntry
		}
		fields = fields[2:]
		known++
		switch name {
		case "f":
			e.From = value
		case "i":
			e.ID = value
		case "t":
			at, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return Entry{Position: position}, fmt.Errorf("%w: %w", errEntry, err)
			}
			e.SentAt = at
		case "p":
			e.Payload = []byte(value)
		case "m":
			e.Metadata = value
			known--
		default:
			known--
		}
	}
	if known != 4 || position == "" {
		return Entry{Position: position}, errEntry
	}
	return e, nil
}
