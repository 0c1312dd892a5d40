package gateway

import (
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// connState is how far a connection is in its life.
type connState uint8

const (
	stateFree      connState = iota // the slot is empty
	stateHead                       // reading the request head
	stateVerifying                  // a verifier has the head
	stateOpen                       // a WebSocket
	stateClosing                    // our close frame is sent; reading until the peer ends
)

// conn is one connection. It lives in a slab of its loop, whose goroutine alone touches
// it, from accept to close.
type conn struct {
	fd    int32
	slot  uint32
	gen   uint32 // of the slot; never 0
	state connState

	writing  bool // the poller watches for room to write
	admitted bool // counted among the open connections
	renewing bool // a verifier has the token that is to take the place of its own

	opened uint32 // tenths of a second after the gateway's start; 0: not yet

	heard uint32 // tick of the last bytes from the peer
	until uint32 // head, verifying, closing: tick at which to give up
	due   uint32 // tick of the wheel slot that it is in

	wheelPrev, wheelNext uint32 // slot+1 of its neighbours in the wheel; 0: none

	first, last uint32 // this turn's frames: nodes+1 in the loop's list; 0: none

	tat int64 // per-connection limit, see limit.Rate

	token          // what it remembers of its token, see token.go
	rights *rights // nil: those of a token that names none

	user     string
	subs     []subscription
	joins    int32    // topics asked for that will add to subs
	watching int32    // users asked for that will be watched
	others   int32    // how many of subs are not topics: the user itself, rooms, who is watched
	strikes  uint32   // refused messages in excess of accepted ones
	asked    *request // the oldest that is not answered

	session string // its id; empty: it is not saved, or not any more
	saved   uint32 // tick at which it was saved
	asking  uint32 // number of the ping that is not answered yet; 0: none
	askedAt uint32 // tick of the last one
	asksAt  uint32 // tick up to which asks is counted
	asks    uint8  // pings out of turn
	fed     int32  // bytes of pages that it got in this turn
	shared  bool   // the session's id is the token's: other connections may have it
	unsaved bool   // it is to be saved
	altered bool   // soon, as the subscriptions have changed
	unsure  bool   // it is to be asked what it has read

	greet *greeting // nil but while the user's owner is waited for

	in  *inbound // nil while nothing is half read
	out *outbox  // nil while nothing waits
}

// ref names the connection to the rest of the cluster.
func (l *loop) ref(c *conn) wire.Conn {
	return wire.Conn{Loop: uint8(l.index), Slot: c.slot, Gen: c.gen}
}

const slabSize = 256

// slab keeps conns at fixed addresses and gives out free slots.
type slab struct {
	chunks []*[slabSize]conn
	free   []uint32
	used   int
	base   uint32 // generations begin behind it: those up to it were given out by another slab
}

// latest is the highest generation that was given out.
func (s *slab) latest() uint32 {
	most := s.base
	for _, chunk := range s.chunks {
		for i := range chunk {
			most = max(most, chunk[i].gen)
		}
	}
	return most
}

// at returns the conn in a slot that was given out at some time.
func (s *slab) at(slot uint32) *conn { return &s.chunks[slot/slabSize][slot%slabSize] }

// get returns the live connection with that slot and generation, nil when it is gone.
func (s *slab) get(slot, gen uint32) *conn {
	if int(slot) >= len(s.chunks)*slabSize {
		return nil
	}
	if c := s.at(slot); c.gen == gen && c.state != stateFree {
		return c
	}
	return nil
}

func (s *slab) take() *conn {
	if len(s.free) == 0 {
		base := uint32(len(s.chunks) * slabSize)
		s.chunks = append(s.chunks, new([slabSize]conn))
		for i := range uint32(slabSize) {
			s.free = append(s.free, base+slabSize-1-i)
		}
	}
	slot := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.used++
	c := s.at(slot)
	gen := max(c.gen, s.base) + 1
	if gen == 0 {
		gen = 1
	}
	*c = conn{slot: slot, gen: gen}
	return c
}

func (s *slab) put(c *conn) {
	*c = conn{slot: c.slot, gen: c.gen}
	s.free = append(s.free, c.slot)
	s.used--
}

// each visits every live connection.
func (s *slab) each(visit func(*conn)) {
	for _, chunk := range s.chunks {
		for i := range chunk {
			if chunk[i].state != stateFree {
				visit(&chunk[i])
			}
		}
	}
}
