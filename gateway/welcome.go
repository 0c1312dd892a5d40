package gateway

import (
	"slices"
	"strconv"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Features is what this release of the server does of the protocol.
var Features = []string{"topics", "wildcards", "direct_message", "rooms", "presence", "history", "resume", "refresh"}

// welcome is the details of a connection's first frame.
func (l *loop) welcome(c *conn, g *greeting) string {
	rooms, topics := []string{}, append([]string{}, g.topics...)
	for _, s := range c.subs {
		if s.entry.kind == kindRoom {
			rooms = append(rooms, wire.Name(s.entry.name))
		}
	}
	slices.Sort(rooms)
	return jsonText(struct {
		ConnectionID string   `json:"connection_id"`
		SessionID    string   `json:"session_id"`
		UserID       string   `json:"user_id"`
		ServerTime   int64    `json:"server_time"`
		Protocol     string   `json:"protocol_version"`
		Heartbeat    int64    `json:"heartbeat_interval_ms"`
		Features     []string `json:"features"`
		Resumed      bool     `json:"resumed"`
		Topics       []string `json:"topics"`
		Rooms        []string `json:"rooms"`

		Positions     map[string]protocol.TopicPosition `json:"positions,omitempty"`
		RoomPositions map[string]protocol.TopicPosition `json:"room_positions,omitempty"`
	}{
		ConnectionID: l.connectionID(c), SessionID: g.verdict.session, UserID: c.user,
		ServerTime: l.now.UnixMilli(), Protocol: protocol.Version,
		Heartbeat: l.gw.cfg.HeartbeatInterval.Milliseconds(), Features: Features,
		Topics: topics, Rooms: rooms, Resumed: g.verdict.taken,
		Positions: g.positions, RoomPositions: g.roomPositions,
	})
}

// connectionID names a connection to people: gateway, loop, slot and generation.
func (l *loop) connectionID(c *conn) string { return l.nameConnection(c.slot, c.gen) }

// nameConnection is connectionID, for any goroutine.
func (l *loop) nameConnection(slot, gen uint32) string {
	b := append([]byte(cluster.IDString(l.gw.self.ID)), '-')
	b = strconv.AppendInt(b, int64(l.index), 16)
	b = append(b, '-')
	b = strconv.AppendUint(b, uint64(slot), 16)
	b = append(b, '-')
	return string(strconv.AppendUint(b, uint64(gen), 16))
}
