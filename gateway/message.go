package gateway

import (
	"fmt"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// message deals with one message of a client.
func (l *loop) message(c *conn, payload []byte) {
	e := &l.envelope
	err := e.Parse(payload)
	if by, wait := l.admit(c); by != levelNone {
		l.limited(c, e, by, wait)
		return
	}
	if err != nil {
		l.bad(c, e.ID, err)
		return
	}
	switch e.Type {
	case protocol.TypeBroadcast:
		l.broadcastMessage(c, e)
	case protocol.TypeSubscribe:
		l.subscribe(c, e)
	case protocol.TypeUnsubscribe:
		l.unsubscribe(c, e)
	case protocol.TypePing:
		l.ping(c, e)
	case protocol.TypeRefreshToken:
		l.refreshToken(c, e)
	case protocol.TypeDirectMessage:
		l.directMessage(c, e)
	case protocol.TypeRoomMessage:
		l.roomMessage(c, e)
	case protocol.TypeCreateRoom, protocol.TypeJoinRoom, protocol.TypeLeaveRoom, protocol.TypeDeleteRoom,
		protocol.TypeAddMember, protocol.TypeRemoveMember:
		l.roomRequest(c, e)
	case protocol.TypeHistory:
		l.history(c, e)
	case protocol.TypeRoomInfo:
		l.roomInfo(c, e)
	case protocol.TypeSetPresence:
		l.setPresence(c, e)
	case protocol.TypeGetPresence:
		l.getPresence(c, e)
	case protocol.TypeWatchPresence:
		l.watchPresence(c, e)
	case protocol.TypeUnwatchPresence:
		l.unwatchPresence(c, e)
	default:
		l.bad(c, e.ID, fmt.Errorf("type: %.64q is not known", e.Type))
	}
}

func (l *loop) ping(c *conn, e *protocol.Envelope) {
	stamp, err := protocol.ParsePing(e.Data)
	if err != nil {
		l.bad(c, e.ID, err)
		return
	}
	if stamp == "" {
		stamp = e.Timestamp
	}
	var frame []byte
	l.arena, frame = protocol.AppendPong(l.arena, e.ID, stamp, l.now.UnixMilli())
	l.push(c, frame)
}

// bad answers a message that cannot be read or has a wrong field.
func (l *loop) bad(c *conn, id string, err error) {
	l.sendError(c, id, protocol.Error{Code: protocol.CodeBadRequest, Message: err.Error()})
}

// ownerAway is what a client is told when the owner of a topic, user or room does not answer.
const ownerAway = "its owner cannot be reached: send again"

// unavailable answers a message for which there is no way to its owner.
func (l *loop) unavailable(c *conn, id string, order, hash uint64) {
	l.pushAfter(c, order, hash, l.unavailableFrame(id))
}

func (l *loop) unavailableFrame(id string) (frame []byte) {
	l.gw.dropUnavailable.Inc()
	l.arena, frame = protocol.AppendError(l.arena, id, protocol.Error{
		Code: protocol.CodeUnavailable, Message: ownerAway,
		Details: retryLater,
	})
	return frame
}

// retryMS is after how many milliseconds a client is asked to try again.
const retryMS = 1000

var retryLater = protocol.RetryAfter(retryMS)
