package hub

import (
	"slices"

	"github.com/tidwall/gjson"
)

type room struct {
	owner   string
	private bool
	members []string // in the order of joining
	were    []string // users who have left
}

func (r *room) has(user string) bool { return slices.Contains(r.members, user) }

// inRoom handles the messages about rooms and reports whether typ is one.
func (h *Hub) inRoom(c *conn, typ, id string, data gjson.Result) bool {
	name, user := data.Get("room").Str, data.Get("user").Str
	r := h.rooms[name]
	switch typ {
	case "CreateRoom":
		if r != nil {
			c.fail(id, 409, "the room exists")
			return true
		}
		r = h.newRoom(c.user, name)
		r.private = data.Get("visibility").Str == "private"
		for _, m := range data.Get("members").Array() {
			r.members = append(r.members, m.Str)
		}
		c.say(`{"type":"Status","id":%q,"data":{"status":"room_created","details":{"room":%q}}}`, id, name)
		return true
	case "JoinRoom":
		if create := data.Get("create"); r == nil && (!create.Exists() || create.Bool()) {
			r = h.newRoom(c.user, name)
		}
	case "RoomMessage", "LeaveRoom", "AddMember", "RemoveMember", "DeleteRoom", "RoomInfo":
	default:
		return false
	}
	switch {
	case r == nil && typ == "RoomMessage":
		h.refuse(c, id, 404, "no such room")
	case r == nil:
		c.fail(id, 404, "no such room")
	case typ == "RoomMessage":
		h.toRoom(c, r, name, id, data.Get("payload").Raw)
	case typ == "JoinRoom" && r.private && !r.has(c.user):
		c.fail(id, 403, "the room is private")
	case typ == "JoinRoom":
		h.enter(r, name, c.user)
		c.say(`{"type":"Status","id":%q,"data":{"status":"joined","details":{"room":%q,"member_count":%d,"owner":%q}}}`,
			id, name, len(r.members), r.owner)
	case typ == "LeaveRoom":
		h.exit(r, name, c.user, "left")
		c.say(`{"type":"Status","id":%q,"data":{"status":"left","details":{"room":%q}}}`, id, name)
	case typ == "RoomInfo":
		c.info(id, name, r, data.Get("after").Str, int(data.Get("limit").Int()))
	case c.user != r.owner:
		c.fail(id, 403, "only the owner may")
	case typ == "AddMember":
		h.enter(r, name, user)
		c.say(`{"type":"Status","id":%q,"data":{"status":"member_added"}}`, id)
	case typ == "RemoveMember":
		h.exit(r, name, user, "removed")
		c.say(`{"type":"Status","id":%q,"data":{"status":"member_removed"}}`, id)
	case typ == "DeleteRoom":
		h.event(r, name, "deleted", c.user)
		delete(h.rooms, name)
		c.say(`{"type":"Status","id":%q,"data":{"status":"room_deleted"}}`, id)
	}
	return true
}

func (h *Hub) newRoom(owner, name string) *room {
	if h.rooms == nil {
		h.rooms = make(map[string]*room)
	}
	h.rooms[name] = &room{owner: owner, members: []string{owner}}
	return h.rooms[name]
}

func (h *Hub) enter(r *room, name, user string) {
	if !r.has(user) {
		r.members = append(r.members, user)
		h.event(r, name, "joined", user)
	}
}

func (h *Hub) exit(r *room, name, user, event string) {
	if i := slices.Index(r.members, user); i >= 0 {
		r.members = slices.Delete(r.members, i, i+1)
		r.were = append(r.were, user)
		h.event(r, name, event, user)
	}
}

func (h *Hub) event(r *room, name, event, user string) {
	for _, c := range h.conns {
		if !c.gone && r.has(c.user) {
			c.say(`{"type":"RoomEvent","data":{"room":%q,"event":%q,"user_id":%q,"member_count":%d}}`, name, event, user, len(r.members))
		}
	}
}

func (h *Hub) toRoom(from *conn, r *room, name, id, payload string) {
	if !r.has(from.user) {
		h.refuse(from, id, 403, "not a member")
		return
	}
	if h.History {
		h.publish(from, id, stored{topic: name, user: from.user, id: id, payload: payload, isRoom: true})
		return
	}
	n := 0
	for _, c := range h.conns {
		if !c.gone && (r.has(c.user) || h.Clings && slices.Contains(r.were, c.user)) {
			n++
			h.deliver(c, "RoomMessage", payload, object{"room": name, "from_user": from.user}, object{"message_id": id, "sent_at": 1})
		}
	}
	h.ack(from, id, object{"message_id": id, "room": name, "status": "accepted", "recipients": n})
}

// info pages by place, which a real server would not.
func (c *conn) info(id, name string, r *room, after string, limit int) {
	from := slices.Index(r.members, after) + 1
	to := len(r.members)
	next := ""
	if limit > 0 && from+limit < to {
		to = from + limit
		next = r.members[to-1]
	}
	members := []object{}
	for _, m := range r.members[from:to] {
		members = append(members, object{"user_id": m, "status": "online"})
	}
	data := object{"room": name, "owner": r.owner, "visibility": "public", "member_count": len(r.members), "members": members}
	if r.private {
		data["visibility"] = "private"
	}
	if next != "" {
		data["next"] = next
	}
	c.tell(object{"type": "Room", "id": id, "data": data})
}
