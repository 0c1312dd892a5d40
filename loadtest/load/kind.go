//go:build linux

package main

import (
	"fmt"
	"strconv"
)

// kind is one way in which connections talk. Connections are numbered from 0 over all
// workers, and gathered in groups within which messages go.
type kind struct {
	Name string  `json:"name"`
	Rate float64 `json:"rate"` // messages a second, of all senders together

	// A group is Size neighbours, who all send: or, where that is 0, the connections are
	// dealt out to Crowds groups, of each of which the first Senders send.
	Size    int `json:"size,omitempty"`
	Crowds  int `json:"crowds,omitempty"`
	Senders int `json:"senders,omitempty"`

	Total int `json:"total"` // connections of all workers
}

// The kinds, by name.
const (
	kindShared   = "shared"   // one topic with all connections
	kindHot      = "hot"      // a few topics with many connections
	kindChat     = "chat"     // many topics with a few connections
	kindRooms    = "rooms"    // many rooms with a few users
	kindDirect   = "direct"   // each user writes to the next of its group
	kindPresence = "presence" // each user of a group watches the others
)

// group is that of a connection.
func (k *kind) group(c int) int {
	if k.Size > 0 {
		return c / k.Size
	}
	return c % k.Crowds
}

// members is how many connections a group has.
func (k *kind) members(g int) int {
	if k.Size > 0 {
		return min(k.Size, k.Total-g*k.Size)
	}
	return (k.Total - g + k.Crowds - 1) / k.Crowds
}

// sends says whether a connection sends.
func (k *kind) sends(c int) bool { return k.Size > 0 || c/k.Crowds < k.Senders }

// seat is a sender's place among those of its group.
func (k *kind) seat(c int) int {
	if k.Size > 0 {
		return c % k.Size
	}
	return c / k.Crowds
}

// sender is the connection that has a seat of a group.
func (k *kind) sender(g, seat int) int {
	if k.Size > 0 {
		return g*k.Size + seat
	}
	return seat*k.Crowds + g
}

// senders is how many connections send, of those with a number below n.
func (k *kind) senders(n int) int {
	if k.Size > 0 {
		return n
	}
	return min(n, k.Crowds*k.Senders)
}

// target is whom a connection writes to directly.
func (k *kind) target(c int) int {
	g := k.group(c)
	return g*k.Size + (c-g*k.Size+1)%k.members(g)
}

// slots is from how many senders one connection may get messages.
func (k *kind) slots() int {
	switch {
	case k.Name == kindDirect:
		return 1
	case k.Size > 0:
		return k.Size
	}
	return k.Senders
}

// slot is the receiver's place for the sender's messages; -1 where they are not for it.
func (k *kind) slot(receiver, sender int) int {
	switch {
	case sender < 0 || sender >= k.Total || !k.sends(sender) || k.group(sender) != k.group(receiver):
		return -1
	case k.Name == kindDirect && k.target(sender) != receiver, k.Name == kindPresence && sender == receiver:
		return -1
	case k.Name == kindDirect:
		return 0
	}
	return k.seat(sender)
}

// source is the sender to which a slot belongs; -1 where there is none.
func (k *kind) source(receiver, slot int) int {
	g := k.group(receiver)
	n := k.members(g)
	if k.Name == kindDirect {
		return g*k.Size + (receiver-g*k.Size+n-1)%n
	}
	if c := k.sender(g, slot); slot < n && k.slot(receiver, c) == slot {
		return c
	}
	return -1
}

// receivers is how many connections a message of a sender is for.
func (k *kind) receivers(sender int) int {
	switch k.Name {
	case kindDirect:
		return 1
	case kindPresence:
		return k.members(k.group(sender)) - 1
	}
	return k.members(k.group(sender))
}

// names of one run, which no other run has.
type names struct{ run string }

func (n names) user(c int) string { return fmt.Sprintf("load-%s-%d", n.run, c) }

func (n names) group(k *kind, g int) string {
	return "load." + n.run + "." + k.Name + "." + strconv.Itoa(g)
}

func (n names) own(c, i int) string { return fmt.Sprintf("load.%s.own.%d.%d", n.run, c, i) }

// message is what a connection sends: payload is a JSON string.
func (n names) message(b []byte, k *kind, c int, id, payload []byte) []byte {
	kind, field, to := "Broadcast", `"topic":"`, ""
	switch k.Name {
	case kindPresence:
		b = append(b, `{"type":"SetPresence","id":"`...)
		b = append(b, id...)
		b = append(b, `","data":{"status":"online","message":`...)
		b = append(b, payload...)
		return append(b, `}}`...)
	case kindRooms:
		kind, field, to = "RoomMessage", `"room":"`, n.group(k, k.group(c))
	case kindDirect:
		kind, field, to = "DirectMessage", `"target_user":"`, n.user(k.target(c))
	default:
		to = n.group(k, k.group(c))
	}
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	b = append(b, `","id":"`...)
	b = append(b, id...)
	b = append(b, `","data":{`...)
	b = append(b, field...)
	b = append(b, to...)
	b = append(b, `","payload":`...)
	b = append(b, payload...)
	return append(b, `}}`...)
}

// greeting is what a connection sends first: what its session restores, and then what it does not.
func (n names) greeting(kinds []kind, c, own int) (restored, rest [][]byte) {
	var topics []byte
	add := func(name string) {
		if len(topics) > 0 {
			topics = append(topics, ',')
		}
		topics = append(append(append(topics, '"'), name...), '"')
	}
	for i := range kinds {
		k := &kinds[i]
		switch k.Name {
		case kindShared, kindHot, kindChat:
			add(n.group(k, k.group(c)))
		case kindRooms:
			restored = append(restored, []byte(`{"type":"JoinRoom","id":"j","data":{"room":"`+n.group(k, k.group(c))+`"}}`))
		case kindPresence:
			if users := n.others(k, c); len(users) > 0 {
				rest = append(rest, []byte(`{"type":"WatchPresence","id":"w","data":{"users":[`+string(users)+`]}}`))
			}
		}
	}
	for i := range own {
		add(n.own(c, i))
	}
	if len(topics) > 0 {
		restored = append(restored, []byte(`{"type":"Subscribe","id":"s","data":{"topics":[`+string(topics)+`]}}`))
	}
	return restored, rest
}

// others are the users of a group but one, as JSON.
func (n names) others(k *kind, c int) (users []byte) {
	g := k.group(c)
	for seat := range k.members(g) {
		o := k.sender(g, seat)
		if o == c {
			continue
		}
		if len(users) > 0 {
			users = append(users, ',')
		}
		users = append(append(append(users, '"'), n.user(o)...), '"')
	}
	return users
}
