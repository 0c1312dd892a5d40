package loadtest

import (
	"errors"
	"fmt"
	"time"
)

// People are users who talk in rooms and to each other. The zero value is
// nobody. All of them get direct messages.
type People struct {
	// Rooms is how many rooms there are: Prefix.room.0 and so on, of which every
	// other one is durable.
	Rooms int
	// Residents are there all the time, are members of two thirds of the rooms
	// each, and the only ones who send: to the rooms in turn, and to everybody
	// else in turn. At least one where there is anybody at all.
	Residents int
	// Twins have two connections to different gateways each, of which only the
	// first joins the rooms.
	Twins int
	// Visitors stay connected, and join and leave one room after the other.
	Visitors int
	// Wanderers come and go; they are in no room. Every third of their stays ends
	// before the server can know what has reached them, and does not count.
	Wanderers int

	RoomRate   float64 // messages a second of each resident to rooms; 20 by default
	DirectRate float64 // and to users; 20 by default

	// Stay and Away are how long visitors and wanderers stay and keep away; 2 s by
	// default.
	Stay, Away time.Duration

	// Progress, if any, shows during the run how it goes.
	Progress *Progress
}

func (p People) withDefaults() People {
	for _, r := range []*float64{&p.RoomRate, &p.DirectRate} {
		if *r == 0 {
			*r = 20
		}
	}
	for _, d := range []*time.Duration{&p.Stay, &p.Away} {
		if *d == 0 {
			*d = 2 * time.Second
		}
	}
	if p.Progress == nil {
		p.Progress = new(Progress)
	}
	return p
}

func (p People) check() error {
	switch {
	case min(p.Rooms, p.Residents, p.Twins, p.Visitors, p.Wanderers) < 0 || min(p.RoomRate, p.DirectRate) < 0:
		return errors.New("people: a count or rate is negative")
	case p.Residents == 0 && p.count()+p.Rooms > 0:
		return errors.New("people: nobody who sends")
	case p.Visitors > 0 && p.Rooms == 0:
		return errors.New("people: visitors need a room")
	}
	return nil
}

func (p People) count() int { return p.Residents + p.Twins + p.Visitors + p.Wanderers }

// Durable says whether a room is durable.
func (p People) Durable(room int) bool { return room%2 == 1 }

func (l *Load) room(i int) string { return fmt.Sprintf("%s.room.%d", l.Prefix, i) }

// roomTopic is the number of a room among the checker's topics.
func (l *Load) roomTopic(room int) int { return l.Topics + room }

// mailbox is the number of a user's mailbox among the checker's topics.
func (l *Load) mailbox(user int) int { return l.Topics + l.People.Rooms + user }

// inRoom says whether resident or twin i is a member of room. The first
// resident, who makes them, is in all.
func (l *Load) inRoom(i, room int) bool { return i == 0 || l.People.Rooms < 3 || (room+i)%3 != 0 }
