package presence

import (
	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// user is what the owner of a user knows of it. What few users have is behind pointers: most
// are only somewhere.
type user struct {
	key   string
	spots []spot
	told  uint64 // the view by which it was last told
	seen  int64  // Unix ms: when it was last seen by others; 0: not known here

	mood   *mood             // nil: online, with nothing to say
	watch  *watchers         // nil: nobody watches
	rooms  map[string]joined // by the room's key; nil: none
	box    *box              // nil: no direct message waits, and none is on its way to or from the queue
	begins *[]greet          // connections that begin, until the durable rooms are known; nil: none

	absence *absence // when to look whether it is gone for good; nil: not

	drained bool // the queue is empty
	loaded  bool // the durable rooms are known
	loading bool // they are being asked for
}

// joined is one membership, as the room's owner told it.
type joined struct {
	version uint64
	durable bool
}

// greet is a connection whose gateway loop waits for an Answer.
type greet struct {
	place
	conn  wire.Conn
	op    uint64
	total uint32 // connections that the user had with it
}

func (u *user) hash() uint64 { return cluster.Hash(u.key) }

// connections is how many a user has, everywhere.
func (u *user) connections() (n int) {
	for _, s := range u.spots {
		n += int(s.count)
	}
	return n
}

// greets are the connections that begin.
func (u *user) greets() []greet {
	if u.begins == nil {
		return nil
	}
	return *u.begins
}

// begun reports whether a user has a connection that has begun: what is sent to a place where all of
// them wait for an Answer is lost.
func (u *user) begun() bool { return u.connections() > len(u.greets()) }

// stamp notes since when a user has connections at a place.
func (u *user) stamp(at place, now uint32) {
	for i := range u.spots {
		if u.spots[i].place == at {
			u.spots[i].since = now
		}
	}
}

// heard reports whether a place that a user has connections at had some already when a message was sent, at Unix
// microseconds.
func (u *user) heard(sentAt int64) bool {
	for _, s := range u.spots {
		if int64(s.since) < sentAt/1e6 {
			return true
		}
	}
	return false
}

func (u *user) has(at place) bool {
	for _, s := range u.spots {
		if s.place == at {
			return true
		}
	}
	return false
}

// name is the user, as clients know it.
func (u *user) name() string { return wire.Name(u.key) }

// idle reports whether nothing is known of a user that is worth keeping.
func (u *user) idle() bool {
	return u.connections() == 0 && u.mood == nil && u.watch == nil && len(u.rooms) == 0 && u.box == nil && u.begins == nil &&
		!u.loading && u.absence == nil
}

// mood is what a user says of itself.
type mood struct {
	version  uint64
	status   string
	message  string
	metadata string // raw JSON; empty: none
}

// public is how a user looks to everybody else; now is Unix ms.
func (u *user) public(now int64) protocol.UserPresence {
	p := protocol.UserPresence{User: u.name(), Status: protocol.StatusOffline, LastSeen: u.seen}
	if !u.visible() {
		return p
	}
	return u.own(now)
}

// own is how a user looks to itself.
func (u *user) own(now int64) protocol.UserPresence {
	if u.connections() == 0 {
		return u.public(now)
	}
	p := protocol.UserPresence{User: u.name(), Status: protocol.StatusOnline, LastSeen: now, Connections: u.connections()}
	if m := u.mood; m != nil {
		p.Status, p.Message, p.Metadata = m.status, m.message, []byte(m.metadata)
	}
	return p
}

// hides reports whether the user does not want to be seen.
func (u *user) hides() bool { return u.mood != nil && u.mood.status == protocol.StatusInvisible }

// visible reports whether others see that the user is there.
func (u *user) visible() bool {
	return u.connections() > 0 && !u.hides()
}
