package presence

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/btree"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// room is a room: its properties, its members, and what it decides. It is pure: no clock, no I/O.
type room struct {
	key      string
	owner    string // user
	private  bool
	durable  bool
	capacity int    // 0: none
	metadata string // raw JSON; empty: none
	created  int64  // Unix ms

	members btree.Map[string, member] // by user, those who are only invited included
	count   int                       // of those who are members
	invited int                       // of those who are only invited
	version uint64                    // of the last change

	interest owner.Interest
	told     uint64     // the view by which it was last told
	events   roomEvents // that wait to be told together
}

// member is a user's part in a room.
type member struct {
	joined  bool // false: invited, and may join a private room
	version uint64
}

// refusal is why a request was not granted, worded for the client.
type refusal struct {
	code    int
	message string
}

func refuse(code int, format string, args ...any) *refusal {
	return &refusal{code: code, message: fmt.Sprintf(format, args...)}
}

// next gives a change its version: higher than any before, also those of an earlier owner,
// as long as clocks agree within the time that a change of owner takes.
func (r *room) next(now time.Time) uint64 {
	r.version = max(r.version+1, uint64(now.UnixMicro()))
	return r.version
}

func (r *room) name() string { return wire.Name(r.key) }

func (r *room) isMember(user string) bool {
	m, ok := r.members.Get(user)
	return ok && m.joined
}

// limit is how many members the room takes at most.
func (r *room) limit(most int) int {
	if r.capacity > 0 {
		return min(r.capacity, most)
	}
	return most
}

// mayJoin decides whether a user may join; most bounds rooms that have no capacity of their own.
func (r *room) mayJoin(user string, most int) *refusal {
	m, known := r.members.Get(user)
	switch {
	case m.joined:
		return nil
	case r.private && !known && user != r.owner:
		return refuse(protocol.CodeForbidden, "room: private, and you are not invited")
	case r.count >= r.limit(most):
		return refuse(protocol.CodeConflict, "room: full, it has %d members", r.count)
	}
	return nil
}

// mayAdd decides whether a user may make another a member.
func (r *room) mayAdd(by, user string, most int) *refusal {
	switch {
	case by != r.owner:
		return notOwner
	case !r.isMember(user) && r.count >= r.limit(most):
		return refuse(protocol.CodeConflict, "room: full, it has %d members", r.count)
	}
	return nil
}

// mayRemove decides whether a user may remove another.
func (r *room) mayRemove(by, user string) *refusal {
	if by != r.owner {
		return notOwner
	}
	if _, known := r.members.Get(user); !known {
		return refuse(protocol.CodeNotFound, "user: not a member of the room")
	}
	return nil
}

// Refusals that say always the same.
var (
	notOwner  = &refusal{protocol.CodeForbidden, "room: only its owner may do that"}
	notMember = &refusal{protocol.CodeForbidden, "room: you are not a member"}
	notJoined = &refusal{protocol.CodeConflict, "room: you are not a member"}
	noRoom    = &refusal{protocol.CodeNotFound, "room: there is none of that name"}
	roomThere = &refusal{protocol.CodeConflict, "room: there is one of that name"}
)

// set makes a user a member, or invited, by a version.
func (r *room) set(user string, m member) {
	was, known := r.members.Get(user)
	r.uncount(was, known)
	if !known {
		user = string([]byte(user)) // it aliases a batch
	}
	r.members.Set(user, m)
	if m.joined {
		r.count++
	} else {
		r.invited++
	}
	r.version = max(r.version, m.version)
}

// remove takes a user out. stay keeps the invitation to a private room.
func (r *room) remove(user string, version uint64, stay bool) {
	was, known := r.members.Get(user)
	if !known {
		return
	}
	if stay && r.private && r.invited < maxInvited {
		r.set(user, member{version: version})
		return
	}
	r.uncount(was, known)
	r.members.Delete(user)
	r.version = max(r.version, version)
}

// maxInvited bounds how many of those who left a private room may come back without
// being added again.
const maxInvited = 1000

func (r *room) uncount(m member, known bool) {
	switch {
	case !known:
	case m.joined:
		r.count--
	default:
		r.invited--
	}
}

// page lists up to limit members behind a name, and the name where the next page begins.
func (r *room) page(after string, limit int) (names []string, next string) {
	r.members.Ascend(after, func(user string, m member) bool {
		if user == after || !m.joined {
			return true
		}
		if len(names) == limit {
			next = names[limit-1]
			return false
		}
		names = append(names, user)
		return true
	})
	return names, next
}

func (r *room) describe() protocol.RoomDescription {
	d := protocol.RoomDescription{
		Room: r.name(), Owner: r.owner, Private: r.private, Durable: r.durable, Capacity: r.capacity, Count: r.count,
	}
	if r.metadata != "" {
		d.Metadata = []byte(r.metadata)
	}
	return d
}

const (
	// smallRoom is up to how many members a room tells of each who comes or goes.
	smallRoom = 100
	// eventsMost is how many names one event lists.
	eventsMost = 100
)

// roomEvents are the comings and goings of a large room that wait to be told together.
type roomEvents struct {
	joined, left []string
	since        time.Time // zero: none wait
}

// gather notes one. It reports true when it is the first that waits.
func (e *roomEvents) gather(user string, joins bool, now time.Time) bool {
	here, there := &e.joined, &e.left
	if !joins {
		here, there = there, here
	}
	if i := slices.Index(*there, user); i >= 0 {
		*there = slices.Delete(*there, i, i+1)
	} else if len(*here) < eventsMost {
		*here = append(*here, user)
	}
	first := e.since.IsZero()
	if first {
		e.since = now
	}
	return first
}

// wait is for how long events of a room of that size are gathered: each goes to every member,
// so the larger the room, the longer, up to ten seconds.
func (r *room) wait() time.Duration {
	return min(max(time.Duration(r.count)*100*time.Microsecond, 250*time.Millisecond), 10*time.Second)
}
