package protocol

import (
	"errors"
	"fmt"
)

// Errors of a Subscribe's recover, worded for the client. All but ErrRecoverType come wrapped in the
// name of the topic, as do those of a Position.
var (
	ErrRecoverType  = errors.New("recover: not an object")
	ErrRecoverTopic = errors.New("not among topics")
)

// Subscribe is the data of a Subscribe. Its strings alias the frame.
type Subscribe struct {
	Topics  []string            // 1 to MaxTopics, as they stand there: one may come twice
	Recover map[string]Position // what the client has of some of Topics; nil: of none
}

// Parse reads the data of an Envelope.
func (s *Subscribe) Parse(data string) error {
	*s = Subscribe{}
	var topics, recovery string
	for key, raw := range members(data) {
		switch key {
		case "topics":
			topics = raw
		case "recover":
			recovery = raw
		}
	}
	var err error
	if s.Topics, err = topicList(topics); err != nil {
		return err
	}
	switch {
	case isNull(recovery):
		return nil
	case recovery[0] != '{':
		return ErrRecoverType
	}
	s.Recover, err = positions(recovery, s.Topics)
	return err
}

// positions reads an object of positions by topic; null is as good as absent.
func positions(object string, topics []string) (map[string]Position, error) {
	var last map[string]string // raw position of each topic
	for key, raw := range members(object) {
		if last == nil {
			last = make(map[string]string, len(topics))
			for _, name := range topics {
				last[name] = ""
			}
		}
		if _, ok := last[key]; !ok {
			return nil, fmt.Errorf("recover: %.64q: %w", key, ErrRecoverTopic)
		}
		last[key] = raw
	}
	var list map[string]Position
	for _, name := range topics {
		raw := last[name]
		if isNull(raw) {
			continue
		}
		p, err := position(raw)
		if err != nil {
			return nil, fmt.Errorf("recover: %.64q: %w", name, err)
		}
		if list == nil {
			list = make(map[string]Position)
		}
		list[name] = p
	}
	return list, nil
}
