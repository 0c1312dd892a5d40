package history

import "testing"

func TestPolicy(t *testing.T) {
	p := Policy{
		{Name: "short", Topics: []string{"chat.*.typing"}, Rooms: []string{"lobby"}},
		{Name: "chat", Topics: []string{"news", "chat.>"}},
		{Name: "rooms", Rooms: []string{"*"}},
	}
	for _, c := range []struct{ topic, room, want string }{
		{topic: "chat.1", want: "chat"},
		{topic: "chat.1.typing", want: "short"},
		{topic: "chat.1.2.typing", want: "chat"},
		{topic: "chat", want: ""},
		{topic: "news", want: "chat"},
		{topic: "news.1", want: ""},
		{topic: "lobby", want: ""},
		{room: "lobby", want: "short"},
		{room: "hall", want: "rooms"},
		{room: "news", want: "rooms"},
	} {
		r := p.OfTopic(c.topic)
		if c.room != "" {
			r = p.OfRoom(c.room)
		}
		if name := map[bool]string{true: ""}[r == nil]; r != nil && r.Name != c.want || r == nil && c.want != name {
			t.Errorf("%+v: %+v", c, r)
		}
	}
	if Policy(nil).OfTopic("a") != nil {
		t.Error("no rules, and one matches")
	}
}
