package protocol

import (
	"errors"

	"github.com/tidwall/gjson"
)

// MaxTopics is how many topics one Subscribe or Unsubscribe may name.
const MaxTopics = 1000

// Errors of a message's data, worded for the client.
var (
	ErrTopicMissing   = errors.New("topic: missing")
	ErrTopicType      = errors.New("topic: not a string")
	ErrPayloadMissing = errors.New("payload: missing")
	ErrEchoType       = errors.New("echo: not a boolean")
	ErrTopicsMissing  = errors.New("topics: missing or empty")
	ErrTopicsType     = errors.New("topics: not an array of strings")
	ErrTopicsMany     = errors.New("topics: more than 1000 in one message")
	ErrPingTimestamp  = errors.New("timestamp: not a number")
)

// Broadcast is the data of a Broadcast. Its fields alias the frame.
type Broadcast struct {
	Topic   string
	Payload string // raw JSON, any value
	Quiet   bool   // echo:false
}

// Parse reads the data of an Envelope.
func (b *Broadcast) Parse(data string) error {
	*b = Broadcast{}
	var bad error
	topic, payload := false, false
	fields(data, func(key string, v gjson.Result) {
		switch key {
		case "topic":
			b.Topic, topic = v.Str, v.Type != gjson.Null
			if topic && v.Type != gjson.String {
				bad = ErrTopicType
			}
		case "payload":
			b.Payload, payload = v.Raw, true
		case "echo":
			b.Quiet = v.Type == gjson.False
			if !v.IsBool() && v.Type != gjson.Null {
				bad = ErrEchoType
			}
		}
	})
	switch {
	case bad != nil:
		return bad
	case !topic:
		return ErrTopicMissing
	case !payload:
		return ErrPayloadMissing
	}
	return nil
}

// ParseTopics reads the topics of a Subscribe or Unsubscribe. The strings alias data.
func ParseTopics(data string) ([]string, error) {
	var list gjson.Result
	fields(data, func(key string, v gjson.Result) {
		if key == "topics" {
			list = v
		}
	})
	if !list.Exists() || list.Type == gjson.Null {
		return nil, ErrTopicsMissing
	}
	if !list.IsArray() {
		return nil, ErrTopicsType
	}
	var topics []string
	var bad error
	list.ForEach(func(_, v gjson.Result) bool {
		switch {
		case v.Type != gjson.String:
			bad = ErrTopicsType
		case len(topics) == MaxTopics:
			bad = ErrTopicsMany
		}
		topics = append(topics, v.Str)
		return bad == nil
	})
	if bad == nil && len(topics) == 0 {
		bad = ErrTopicsMissing
	}
	return topics, bad
}

// ParsePing reads the timestamp of a Ping: raw JSON, empty when there is none.
func ParsePing(data string) (timestamp string, err error) {
	fields(data, func(key string, v gjson.Result) {
		if key == "timestamp" && v.Type != gjson.Null {
			if timestamp = v.Raw; v.Type != gjson.Number {
				err = ErrPingTimestamp
			}
		}
	})
	return timestamp, err
}

func fields(data string, visit func(key string, v gjson.Result)) {
	if data == "" {
		return
	}
	gjson.Parse(data).ForEach(func(key, v gjson.Result) bool {
		visit(key.Str, v)
		return true
	})
}
