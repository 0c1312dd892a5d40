package client

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tidwall/gjson"
)

// HistoryRequest asks for messages of a topic or a room.
type HistoryRequest struct {
	Topic, Room string    // one of them
	Since       *Position // only what is behind it
	Until       *Position // only what is before the message there
	Limit       int       // messages; 0 for the server's own limit
	Reverse     bool      // the newest first
}

// HistoryPage is the answer: Deliveries of a topic, or RoomMessages.
type HistoryPage struct {
	Top        Position // the newest message at that time
	Complete   bool     // nothing that was asked for is missing or follows
	Deliveries []Delivery
	Messages   []RoomMessage
}

// History asks for stored messages and waits for them.
func (c *Client) History(ctx context.Context, r HistoryRequest) (HistoryPage, error) {
	m, err := c.Request(ctx, "History", r.data())
	switch {
	case err != nil:
		return HistoryPage{}, err
	case m.Type != "History":
		return HistoryPage{}, fmt.Errorf("History: answered by %s", m.Type)
	}
	d := gjson.Parse(m.Data)
	page := HistoryPage{Top: parsePosition(d), Complete: d.Get("complete").Bool()}
	for _, p := range d.Get("publications").Array() {
		if r.Room != "" {
			page.Messages = append(page.Messages, parseRoomMessage(p.Raw))
		} else {
			page.Deliveries = append(page.Deliveries, parseDelivery(p.Raw))
		}
	}
	return page, nil
}

func (r HistoryRequest) data() string {
	field, name := "topic", r.Topic
	if r.Room != "" {
		field, name = "room", r.Room
	}
	b := append([]byte(`{"`), field...)
	b = gjson.AppendJSONString(append(b, `":`...), name)
	if r.Since != nil {
		b = appendPosition(append(b, `,"since":`...), *r.Since)
	}
	if r.Until != nil {
		b = appendPosition(append(b, `,"until":`...), *r.Until)
	}
	if r.Limit != 0 {
		b = strconv.AppendInt(append(b, `,"limit":`...), int64(r.Limit), 10)
	}
	if r.Reverse {
		b = append(b, `,"reverse":true`...)
	}
	return string(append(b, '}'))
}
