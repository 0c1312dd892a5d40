package hub

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tidwall/gjson"
)

// Flaw is a promise about history that a Hub breaks now and then.
type Flaw string

// The flaws.
const (
	Fork    Flaw = "fork"    // two messages are stored at one offset: the second hides the first
	Early   Flaw = "early"   // a message is delivered before it is stored, and then it is not
	Hole    Flaw = "hole"    // a delivery is left out, and those behind it are not
	Restore Flaw = "restore" // a message that comes again is stored again
	Ahead   Flaw = "ahead"   // a resumed session begins behind what its connection was to get
	Excuse  Flaw = "excuse"  // a recovery is said not to be whole, and is not, without need
	Neglect Flaw = "neglect" // the last message of each history is not in the answer to History
)

// A flaw shows once in so many messages or deliveries, or, where clients come, times.
const (
	seldom = 100
	often  = 3
)

// log is the history of one topic or room.
type log struct {
	list  []stored
	known map[string]int // offset by user and id
}

type stored struct {
	topic, user, id, payload string
	isRoom                   bool
}

// session is what is kept of a connection that ended.
type session struct {
	user   string
	topics map[string]bool
	from   map[string]int // where it began: all behind it is sent again, as nobody knows what arrived
}

const born = "e"

func (l *log) epoch() string {
	if len(l.list) == 0 {
		return "unborn"
	}
	return born
}

func (h *Hub) log(key string) *log {
	if h.logs == nil {
		h.logs = make(map[string]*log)
	}
	l := h.logs[key]
	if l == nil {
		l = &log{known: make(map[string]int)}
		h.logs[key] = l
	}
	return l
}

// now reports whether it is time for a flaw, which shows once in so many occasions.
func (h *Hub) now(f Flaw, every int) bool {
	if h.Flaw != f {
		return false
	}
	h.occasions++
	return h.occasions%every == 0
}

// publish stores a message, delivers it and acks it.
func (h *Hub) publish(from *conn, id string, m stored) {
	l := h.log(m.topic)
	ack := func(offset int, duplicate bool) {
		data := object{"message_id": id, "status": "stored", "offset": offset, "epoch": born, "duplicate": duplicate}
		if m.isRoom {
			data["room"] = m.topic
		} else {
			data["topic"] = m.topic
		}
		h.ack(from, id, data)
	}
	name := m.user + " " + m.id
	if at, ok := l.known[name]; ok && id != "" && h.Flaw != Restore {
		ack(at, true)
		return
	}
	offset := len(l.list) + 1
	switch {
	case h.now(Early, seldom):
		h.send(offset, m)
		h.refuse(from, id, 503, "it was not stored")
		return
	case offset > 1 && h.now(Fork, seldom):
		offset--
		l.list[offset-1] = m
	default:
		l.list = append(l.list, m)
	}
	l.known[name] = offset
	h.send(offset, m)
	ack(offset, false)
}

// send delivers a message to everybody who is to get it.
func (h *Hub) send(offset int, m stored) {
	for _, c := range h.conns {
		wants := c.wants(m.topic)
		if m.isRoom {
			wants = h.rooms[m.topic].has(c.user)
		}
		if !c.gone && wants && !h.now(Hole, seldom) {
			h.pass(c, offset, m)
		}
	}
}

func (h *Hub) pass(c *conn, offset int, m stored) {
	typ, field := "Broadcast", "topic"
	if m.isRoom {
		typ, field = "RoomMessage", "room"
	}
	h.deliver(c, typ, m.payload, object{field: m.topic, "from_user": m.user}, metadata(offset, m))
}

func metadata(offset int, m stored) object {
	return object{"message_id": m.id, "sent_at": 1, "offset": offset, "epoch": born}
}

// resume tells a new connection what it takes over, and sends what that missed.
func (h *Hub) resume(c *conn, id string) {
	s := h.sessions[id]
	details := object{"connection_id": fmt.Sprint("c", c.index), "user_id": c.user}
	if s == nil || s.user != c.user {
		s = &session{user: c.user, topics: c.topics, from: make(map[string]int)}
		id = fmt.Sprint("s", c.index)
	} else {
		for _, other := range h.conns {
			if other.session == id && !other.gone && other != c {
				other.gone = true
				other.bye(4409)
			}
		}
		c.topics = s.topics
		if h.now(Ahead, often) {
			for name := range s.from {
				s.from[name] = len(h.log(name).list)
			}
		}
		details["resumed"] = true
	}
	if h.sessions == nil {
		h.sessions = make(map[string]*session)
	}
	h.sessions[id], c.session = s, id
	for name, r := range h.rooms {
		if _, ok := s.from[name]; !ok && r.has(c.user) {
			s.from[name] = len(h.log(name).list)
		}
	}
	details["session_id"] = id
	var on []string
	for name, yes := range s.topics {
		if yes {
			on = append(on, name)
		} else {
			delete(s.from, name)
		}
	}
	slices.Sort(on)
	details["topics"] = append([]string{}, on...)
	topics, rooms := object{}, object{}
	for name := range s.from {
		if h.rooms[name] != nil {
			rooms[name] = h.position(name, true)
		} else {
			topics[name] = h.position(name, true)
		}
	}
	details["positions"], details["room_positions"] = topics, rooms
	c.tell(object{"type": "Status", "data": object{"status": "connected", "details": details}})
	for name, at := range s.from {
		h.since(c, name, at)
	}
}

func (h *Hub) position(name string, recovered bool) object {
	l := h.log(name)
	return object{"offset": len(l.list), "epoch": l.epoch(), "recovered": recovered}
}

// since sends what lies behind an offset. A client of an Early one may know of more than is stored.
func (h *Hub) since(c *conn, name string, offset int) {
	list := h.log(name).list
	offset = min(offset, len(list))
	for i, m := range list[offset:] {
		h.pass(c, offset+i+1, m)
	}
}

// subscribe answers a Subscribe with positions.
func (h *Hub) subscribe(c *conn, id string, data gjson.Result) {
	positions := object{}
	type missed struct {
		name string
		at   int
	}
	var late []missed
	from := h.sessions[c.session].from
	for _, t := range data.Get("topics").Array() {
		name := t.Str
		c.topics[name] = true
		if (&conn{topics: map[string]bool{name: true}}).wants(name + "x") {
			continue // a pattern
		}
		from[name] = len(h.log(name).list)
		at := data.Get("recover").Get(gjson.Escape(name))
		excuse := at.Exists() && h.now(Excuse, often)
		positions[name] = h.position(name, at.Exists() && !excuse)
		if at.Exists() && !excuse {
			from[name] = int(at.Get("offset").Int())
			late = append(late, missed{name, from[name]})
		}
	}
	c.tell(object{"type": "Status", "id": id, "data": object{"status": "subscribed", "details": object{
		"topics": slices.Sorted(maps.Keys(c.topics)), "active_subscriptions": c.active(), "positions": positions}}})
	for _, m := range late {
		h.since(c, m.name, m.at)
	}
}

// past answers a History.
func (h *Hub) past(c *conn, id string, data gjson.Result) {
	field := "topic"
	name := data.Get("topic").Str
	if name == "" {
		field, name = "room", data.Get("room").Str
	}
	l := h.log(name)
	list := l.list
	if h.Flaw == Neglect && len(list) > 0 {
		list = list[:len(list)-1]
	}
	first := min(int(data.Get("since.offset").Int()), len(list))
	limit := int(data.Get("limit").Int())
	var out []json.RawMessage
	add := func(i int) bool {
		p, _ := json.Marshal(object{field: name, "from_user": list[i].user, "payload": json.RawMessage(list[i].payload), "metadata": metadata(i+1, list[i])})
		out = append(out, p)
		return len(out) < limit
	}
	complete := len(list)-first <= limit
	if data.Get("reverse").Bool() {
		for i := len(list) - 1; i >= first && add(i); i-- {
		}
	} else {
		for i := first; i < len(list) && add(i); i++ {
		}
	}
	c.tell(object{"type": "History", "id": id, "data": object{
		field: name, "offset": len(list), "epoch": l.epoch(), "complete": complete, "publications": append([]json.RawMessage{}, out...)}})
}
