package jsstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Message is a message of a stream.
type Message struct {
	Seq     uint64
	Subject string
	Time    time.Time
	Header  nats.Header // of its writer, and in a batch what the server adds
	Data    []byte
}

// Latest reads the last message of the subjects that match filter, from the stream's leader: what was
// acknowledged before is in it. It reports false when there is none.
func Latest(ctx context.Context, nc *nats.Conn, stream, filter string) (Message, bool, error) {
	request, err := json.Marshal(struct {
		LastFor string `json:"last_by_subj"`
	}{filter})
	if err != nil {
		return Message{}, false, err
	}
	var m Message
	var found bool
	err = Ask(ctx, func(ctx context.Context) error {
		msg, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, request)
		if err == nil {
			m, found, err = ofLeader(msg.Data)
		}
		return err
	})
	return m, found, err
}

// ofLeader reads the leader's reply to Latest.
func ofLeader(data []byte) (Message, bool, error) {
	var reply struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Time    time.Time `json:"time"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
		} `json:"message"`
	}
	switch err := json.Unmarshal(data, &reply); {
	case err != nil:
		return Message{}, false, fmt.Errorf("read the leader's reply: %w", err)
	case reply.Error != nil && reply.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return Message{}, false, nil
	case reply.Error != nil:
		return Message{}, false, reply.Error
	case reply.Message == nil:
		return Message{}, false, errors.New("read the leader's reply: no message")
	}
	m := Message{Seq: reply.Message.Seq, Subject: reply.Message.Subject, Time: reply.Message.Time, Data: reply.Message.Data}
	if len(reply.Message.Header) > 0 {
		var err error
		if m.Header, err = nats.DecodeHeadersMsg(reply.Message.Header); err != nil {
			return Message{}, false, fmt.Errorf("read the leader's reply: %w", err)
		}
	}
	return m, true, nil
}

// ErrTooMany says that the filters of a Query match more subjects than the server reads at one moment.
var ErrTooMany = errors.New("more subjects than a snapshot holds")

// MaxLast is how many subjects the server reads the last messages of at one moment.
const MaxLast = 1024

// Query asks a stream for many messages.
type Query struct {
	Seq      uint64     `json:"seq,omitempty"` // from here
	Start    *time.Time `json:"start_time,omitempty"`
	NextFor  string     `json:"next_by_subj,omitempty"` // of this subject
	Last     []string   `json:"multi_last,omitempty"`   // instead: the last one of each subject that one of these matches
	Batch    int        `json:"batch"`                  // at most this many
	MaxBytes int        `json:"max_bytes,omitempty"`    // and none after this many bytes of subjects, headers and data
}

// errLost: a message of a batch did not arrive.
var errLost = errors.New("direct get: a message got lost")

// Batch makes one query of any replica, which may be a moment behind, and calls add with each message. It
// returns how many more match. It is to be called within Ask, for a message or its end can get lost.
func Batch(ctx context.Context, nc *nats.Conn, stream string, q Query, add func(Message)) (left uint64, err error) {
	request, err := json.Marshal(q)
	if err != nil {
		return 0, err
	}
	inbox, replies := nc.NewInbox(), make(chan *nats.Msg, q.Batch+1) // SubscribeSync makes room for 65,536
	sub, err := nc.ChanSubscribe(inbox, replies)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails when the connection is closed
	if err := nc.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, request); err != nil {
		return 0, err
	}
	for last := uint64(0); ; {
		var msg *nats.Msg
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case msg = <-replies:
		}
		if status := msg.Header.Get("Status"); status != "" {
			if len(q.Last) > 0 && msg.Header.Get("Description") == "Message Not Found" {
				return 0, errors.New("direct get: a message went away meanwhile") // not all were sent
			}
			return endOf(msg, status)
		}
		m, err := MessageOf(msg)
		if err != nil {
			return 0, err
		}
		if before := msg.Header.Get("Nats-Last-Sequence"); before != strconv.FormatUint(last, 10) {
			return 0, fmt.Errorf("%w: %d came after %d, not after %s", errLost, m.Seq, last, before)
		}
		last = m.Seq
		add(m)
	}
}

// MessageOf reads what a reply of direct get holds.
func MessageOf(msg *nats.Msg) (Message, error) {
	seq, err := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return Message{}, fmt.Errorf("direct get: sequence: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return Message{}, fmt.Errorf("direct get: time: %w", err)
	}
	return Message{Seq: seq, Subject: msg.Header.Get(jetstream.SubjectHeader), Time: at, Header: msg.Header, Data: msg.Data}, nil
}

// endOf reads the last message of a batch.
func endOf(msg *nats.Msg, status string) (left uint64, err error) {
	switch status {
	case "204":
		left, err = strconv.ParseUint(msg.Header.Get("Nats-Num-Pending"), 10, 64)
		if err != nil {
			err = fmt.Errorf("direct get: pending: %w", err)
		}
		return left, err
	case "404":
		return 0, nil
	case "413":
		return 0, ErrTooMany
	case "503":
		return 0, nats.ErrNoResponders
	default:
		return 0, fmt.Errorf("direct get: %s %s", status, msg.Header.Get("Description"))
	}
}
