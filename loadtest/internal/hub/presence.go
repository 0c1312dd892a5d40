package hub

import "github.com/tidwall/gjson"

func (h *Hub) presence(c *conn, typ, id string, data gjson.Result) {
	var users []string
	for _, u := range data.Get("users").Array() {
		users = append(users, u.Str)
	}
	switch typ {
	case "SetPresence":
		for _, other := range h.of(c.user) {
			other.status = data.Get("status").Str
		}
		c.say(`{"type":"Status","id":%q,"data":{"status":"presence_set"}}`, id)
		h.changed(c.user)
	case "GetPresence":
		all := []object{}
		for _, u := range users {
			all = append(all, h.look(u))
		}
		c.tell(object{"type": "Presence", "id": id, "data": object{"users": all}})
	default:
		for _, u := range users {
			c.watching[u] = typ == "WatchPresence"
		}
		c.say(`{"type":"Status","id":%q,"data":{"status":"done"}}`, id)
	}
}

// changed tells the watchers of user how it appears now.
func (h *Hub) changed(user string) {
	for _, c := range h.conns {
		if !c.gone && c.watching[user] {
			c.tell(object{"type": "Presence", "data": h.look(user)})
		}
	}
}

// look is how a user appears to the others.
func (h *Hub) look(user string) object {
	here := h.of(user)
	switch {
	case len(here) == 0 || here[0].status == "invisible":
		return object{"user_id": user, "status": "offline", "last_seen": 1, "connections": 0}
	case here[0].status == "":
		return object{"user_id": user, "status": "online", "last_seen": 1, "connections": len(here)}
	}
	return object{"user_id": user, "status": here[0].status, "last_seen": 1, "connections": len(here)}
}
