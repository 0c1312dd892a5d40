package protocol

import "errors"

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
	var name, echo string
	for key, raw := range members(data) {
		switch key {
		case "topic":
			name = raw
		case "payload":
			b.Payload = raw
		case "echo":
			echo = raw
		}
	}
	var err error
	if b.Topic, err = text(name, ErrTopicMissing, ErrTopicType); err != nil {
		return err
	}
	if b.Payload == "" {
		return ErrPayloadMissing
	}
	loud, err := boolean(echo, true, ErrEchoType)
	b.Quiet = !loud
	return err
}

// ParseTopics reads the topics of an Unsubscribe. The strings alias data.
func ParseTopics(data string) ([]string, error) {
	var raw string
	for key, value := range members(data) {
		if key == "topics" {
			raw = value
		}
	}
	return topicList(raw)
}

// topicList reads an array of 1 to MaxTopics topics.
func topicList(raw string) ([]string, error) {
	topics, err := texts(raw, MaxTopics, ErrTopicsType, ErrTopicsMany)
	if err == nil && len(topics) == 0 {
		err = ErrTopicsMissing
	}
	return topics, err
}

// ParsePing reads the timestamp of a Ping: raw JSON, empty when there is none.
func ParsePing(data string) (string, error) {
	var timestamp string
	for key, raw := range members(data) {
		if key == "timestamp" {
			timestamp = raw
		}
	}
	switch {
	case isNull(timestamp):
		return "", nil
	case !isNumber(timestamp):
		return "", ErrPingTimestamp
	}
	return timestamp, nil
}
