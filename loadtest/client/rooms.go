package client

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidwall/gjson"
)

// RoomMessage is a message of a room as it arrived. Its strings may be kept.
type RoomMessage struct {
	Room      string
	Payload   string // raw JSON, byte for byte
	FromUser  string
	MessageID string
	SentAt    int64 // Unix milliseconds, by the server's clock
	Offset    int64 // 0 for rooms without history
	Epoch     string
	Set       string // what rules have set: raw JSON members; empty: nothing
}

// RoomEvent tells a member who came and went.
type RoomEvent struct {
	Room         string
	Event        string // joined, left, removed, deleted; members for several at once
	UserID       string // none for members
	Joined, Left []string
	MemberCount  int
}

// RoomSpec is what a room is created with; Name alone will do.
type RoomSpec struct {
	Name       string          `json:"room"`
	Visibility string          `json:"visibility,omitempty"` // public or private
	Durable    bool            `json:"durable,omitempty"`
	Capacity   int             `json:"capacity,omitempty"` // members; 0 for the server's limit
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	Members    []string        `json:"members,omitempty"` // beside the owner
}

// Membership is the reply to JoinRoom.
type Membership struct {
	Room        string
	Owner       string
	MemberCount int
}

// RoomInfo is a room and a page of its members.
type RoomInfo struct {
	Room        string
	Owner       string
	Visibility  string
	MemberCount int
	Members     []RoomMember
	Next        string // the after of the next page; empty on the last
}

// RoomMember is one of a room's members.
type RoomMember struct{ UserID, Status string }

// CreateRoom makes a room that this user owns; it must not exist.
func (c *Client) CreateRoom(ctx context.Context, spec RoomSpec) error {
	data, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("CreateRoom: %w", err)
	}
	_, err = c.status(ctx, "CreateRoom", "room_created", string(data))
	return err
}

// JoinRoom makes this user a member. With create, a room that does not exist is
// made.
func (c *Client) JoinRoom(ctx context.Context, room string, create bool) (Membership, error) {
	data := roomData(room)
	data = fmt.Sprintf(`%s,"create":%t}`, data[:len(data)-1], create)
	d, err := c.status(ctx, "JoinRoom", "joined", data)
	return Membership{
		Room:        d.Get("room").Str,
		Owner:       d.Get("owner").Str,
		MemberCount: int(d.Get("member_count").Int()),
	}, err
}

// LeaveRoom ends this user's membership.
func (c *Client) LeaveRoom(ctx context.Context, room string) error {
	_, err := c.status(ctx, "LeaveRoom", "left", roomData(room))
	return err
}

// RoomMessage sends payload (raw JSON) to a room of which this user is a member
// and waits for the Ack.
func (c *Client) RoomMessage(ctx context.Context, room, payload string) (Ack, error) {
	return c.acked(ctx, "RoomMessage", payloadTo("room", room, payload))
}

// SendRoom sends payload (raw JSON) to room without waiting; done is as with
// Publish.
func (c *Client) SendRoom(room, payload string, done func(Ack, error)) error {
	return c.publish("RoomMessage", payloadTo("room", room, payload), "", done)
}

// SendRoomAs is SendRoom under an id of the caller's, as PublishAs.
func (c *Client) SendRoomAs(id, room, payload string, done func(Ack, error)) error {
	return c.publish("RoomMessage", payloadTo("room", room, payload), id, done)
}

// AddMember makes user a member of a room that this user owns.
func (c *Client) AddMember(ctx context.Context, room, user string) error {
	_, err := c.status(ctx, "AddMember", "", memberData(room, user))
	return err
}

// RemoveMember ends user's membership of a room that this user owns.
func (c *Client) RemoveMember(ctx context.Context, room, user string) error {
	_, err := c.status(ctx, "RemoveMember", "", memberData(room, user))
	return err
}

// DeleteRoom ends a room that this user owns.
func (c *Client) DeleteRoom(ctx context.Context, room string) error {
	_, err := c.status(ctx, "DeleteRoom", "", roomData(room))
	return err
}

// RoomInfo asks for a room and its members behind after, at most limit; "" and 0
// ask for the first ones, as many as the server gives.
func (c *Client) RoomInfo(ctx context.Context, room, after string, limit int) (RoomInfo, error) {
	data := append([]byte(nil), roomData(room)...)
	data = data[:len(data)-1]
	if after != "" {
		data = gjson.AppendJSONString(append(data, `,"after":`...), after)
	}
	if limit != 0 {
		data = fmt.Appendf(data, `,"limit":%d`, limit)
	}
	m, err := c.Request(ctx, "RoomInfo", string(append(data, '}')))
	switch {
	case err != nil:
		return RoomInfo{}, err
	case m.Type != "Room":
		return RoomInfo{}, fmt.Errorf("RoomInfo: answered by %s", m.Type)
	}
	d := gjson.Parse(m.Data)
	info := RoomInfo{
		Room:        d.Get("room").Str,
		Owner:       d.Get("owner").Str,
		Visibility:  d.Get("visibility").Str,
		MemberCount: int(d.Get("member_count").Int()),
		Next:        d.Get("next").Str,
	}
	for _, e := range d.Get("members").Array() {
		info.Members = append(info.Members, RoomMember{e.Get("user_id").Str, e.Get("status").Str})
	}
	return info, nil
}

func roomData(room string) string {
	return string(append(gjson.AppendJSONString([]byte(`{"room":`), room), '}'))
}

func memberData(room, user string) string {
	b := gjson.AppendJSONString([]byte(`{"room":`), room)
	b = gjson.AppendJSONString(append(b, `,"user":`...), user)
	return string(append(b, '}'))
}

func parseRoomMessage(data string) RoomMessage {
	var r RoomMessage
	gjson.Parse(data).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "room":
			r.Room = v.Str
		case "payload":
			r.Payload = v.Raw
		case "from_user":
			r.FromUser = v.Str
		case "metadata":
			by := parseMetadata(v)
			r.MessageID, r.SentAt, r.Offset, r.Epoch, r.Set = by.messageID, by.sentAt, by.offset, by.epoch, by.set
		}
		return true
	})
	return r
}

func parseRoomEvent(data string) RoomEvent {
	d := gjson.Parse(data)
	return RoomEvent{
		Room:        d.Get("room").Str,
		Event:       d.Get("event").Str,
		UserID:      d.Get("user_id").Str,
		Joined:      strs(d.Get("joined")),
		Left:        strs(d.Get("left")),
		MemberCount: int(d.Get("member_count").Int()),
	}
}
