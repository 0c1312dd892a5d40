package protocol

import "strconv"

// queueRetryMS is when it is worth to try again after a 503 for a message to an absent user.
const queueRetryMS = 1000

// fullRetryMS is when it is worth to try again after a 429 because the target's queue is full.
const fullRetryMS = 60_000

// Direct is what a DirectMessage becomes for the connections of its target.
type Direct struct {
	Payload   []byte // raw JSON, passed on byte for byte
	User      string // the sender
	MessageID string
	SentAt    int64  // Unix milliseconds
	Queued    bool   // it waited for the target to come back
	Metadata  string // what rules have set: raw JSON members; empty: nothing
}

// AppendDirectMessage appends the frame that the target's connections get.
func AppendDirectMessage(b []byte, d *Direct) (buf, frame []byte) {
	b, at := begin(b)
	b = append(b, `{"type":"DirectMessage","data":{"from_user":`...)
	b = appendString(b, d.User)
	b = append(b, `,"payload":`...)
	b = append(b, d.Payload...)
	b = append(b, `,"metadata":{"message_id":`...)
	b = appendString(b, d.MessageID)
	b = append(b, `,"sent_at":`...)
	b = strconv.AppendInt(b, d.SentAt, 10)
	if d.Queued {
		b = append(b, `,"queued":true`...)
	}
	return finish(append(appendMembers(b, d.Metadata), `}}}`...), at)
}

// AppendDelivered appends the sender's Ack of a DirectMessage that is on its way to recipients
// connections.
func AppendDelivered(b []byte, id, messageID string, recipients int) (buf, frame []byte) {
	b, at := head(b, "Ack", id)
	b = append(b, `{"message_id":`...)
	b = appendString(b, messageID)
	b = append(b, `,"status":"delivered","recipients":`...)
	b = strconv.AppendInt(b, int64(recipients), 10)
	return finish(append(b, `}}`...), at)
}

// AppendQueued appends the sender's Ack of a DirectMessage that waits for its target.
func AppendQueued(b []byte, id, messageID string) (buf, frame []byte) {
	b, at := head(b, "Ack", id)
	b = append(b, `{"message_id":`...)
	b = appendString(b, messageID)
	return finish(append(b, `,"status":"queued"}}`...), at)
}

// AppendNotQueued appends the Error of a DirectMessage whose target is away and which does not
// wait for it. Its details say so, when to try again if the code is CodeUnavailable or CodeTooMany, and that
// the latter is for the queue; e.Details does not count.
func AppendNotQueued(b []byte, id, messageID string, e Error) (buf, frame []byte) {
	b, at := head(b, "Error", id)
	b = append(b, `{"code":`...)
	b = strconv.AppendInt(b, int64(e.Code), 10)
	b = append(b, `,"message":`...)
	b = appendString(b, e.Message)
	b = append(b, `,"details":{"message_id":`...)
	b = appendString(b, messageID)
	b = append(b, `,"queued":false`...)
	switch e.Code {
	case CodeUnavailable:
		b = append(b, `,"retry_after_ms":`...)
		b = strconv.AppendInt(b, queueRetryMS, 10)
	case CodeTooMany:
		b = append(b, `,"limit":"queue","retry_after_ms":`...)
		b = strconv.AppendInt(b, fullRetryMS, 10)
	}
	return finish(append(b, `}}}`...), at)
}
