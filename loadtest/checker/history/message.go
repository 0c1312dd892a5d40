package history

import "fmt"

// Message names a message: its writer, and its number among all of that writer's, from 0.
type Message struct{ Writer, N uint32 }

func (m Message) String() string { return fmt.Sprintf("%d/%d", m.Writer, m.N) }

// Position is a place in the history of a key, as clients see it.
type Position struct {
	Offset uint64
	Epoch  string
}

func (p Position) String() string { return fmt.Sprintf("%d@%s", p.Offset, p.Epoch) }

// message is what is known of one.
type message struct {
	key        uint16
	epoch      uint8  // of offset
	floorEpoch uint8  // of floor
	offset     uint32 // where it was seen first; 0 while unknown
	floor      uint32 // it must be above
	flags      flags
}

// flags of a message and of a slot.
type flags uint8

const (
	isAcked flags = 1 << iota
	isDelivered
	isKept    // History has it
	isResent  // messages only
	isAccused // its violation has been told: not again for each reader that sees it
)

func (f flags) has(g flags) bool { return f&g != 0 }
