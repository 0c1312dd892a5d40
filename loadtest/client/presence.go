package client

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidwall/gjson"
)

// Presence is how a user appears to others.
type Presence struct {
	UserID      string
	Status      string // online, away, busy or offline
	LastSeen    int64  // Unix milliseconds
	Connections int
	Message     string
	Metadata    string // raw JSON, or empty
}

// SetPresence sets this user's status (online, away, busy or invisible), with a
// message and metadata (raw JSON) where they are not empty.
func (c *Client) SetPresence(ctx context.Context, status, message, metadata string) error {
	data, err := json.Marshal(struct {
		Status   string          `json:"status"`
		Message  string          `json:"message,omitempty"`
		Metadata json.RawMessage `json:"metadata,omitempty"`
	}{status, message, json.RawMessage(metadata)})
	if err != nil {
		return fmt.Errorf("SetPresence: %w", err)
	}
	_, err = c.status(ctx, "SetPresence", "presence_set", string(data))
	return err
}

// GetPresence asks how users, at most 100, appear to this one.
func (c *Client) GetPresence(ctx context.Context, users ...string) ([]Presence, error) {
	m, err := c.Request(ctx, "GetPresence", list("users", users))
	switch {
	case err != nil:
		return nil, err
	case m.Type != "Presence":
		return nil, fmt.Errorf("GetPresence: answered by %s", m.Type)
	}
	var out []Presence
	for _, u := range gjson.Get(m.Data, "users").Array() {
		out = append(out, parsePresence(u))
	}
	return out, nil
}

// WatchPresence asks for every change of users, which go to Options.Presence.
func (c *Client) WatchPresence(ctx context.Context, users ...string) error {
	_, err := c.status(ctx, "WatchPresence", "", list("users", users))
	return err
}

// UnwatchPresence ends that.
func (c *Client) UnwatchPresence(ctx context.Context, users ...string) error {
	_, err := c.status(ctx, "UnwatchPresence", "", list("users", users))
	return err
}

func parsePresence(d gjson.Result) Presence {
	return Presence{
		UserID:      d.Get("user_id").Str,
		Status:      d.Get("status").Str,
		LastSeen:    d.Get("last_seen").Int(),
		Connections: int(d.Get("connections").Int()),
		Message:     d.Get("message").Str,
		Metadata:    d.Get("metadata").Raw,
	}
}
