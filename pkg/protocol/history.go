package protocol

import (
	"errors"
	"fmt"
)

// Publications that one History asks for.
const (
	MaxHistory     = 1000
	DefaultHistory = 100 // where the client names no limit
)

// Errors of a History's data, worded for the client. Those of a Position come wrapped in the name of its field.
var (
	ErrHistoryOfNone = errors.New("topic: missing, and so is room")
	ErrHistoryOfBoth = errors.New("room: not together with topic")
	ErrHistoryLimit  = errors.New("limit: not a whole number from 1 to 1000")
	ErrReverseType   = errors.New("reverse: not a boolean")
)

// History is the data of a History that a client sends. Its strings alias the frame.
type History struct {
	Topic, Room string    // one of them; the other is empty
	Since       *Position // only what is behind it; nil: from the oldest
	Until       *Position // only what is before the publication there; nil: to the newest
	Limit       int       // publications, 1 to MaxHistory
	Reverse     bool      // the newest first
}

// Parse reads the data of an Envelope.
func (h *History) Parse(data string) error {
	*h = History{}
	var topic, room, since, until, limit, reverse string
	for key, raw := range members(data) {
		switch key {
		case "topic":
			topic = raw
		case "room":
			room = raw
		case "since":
			since = raw
		case "until":
			until = raw
		case "limit":
			limit = raw
		case "reverse":
			reverse = raw
		}
	}
	var err error
	if h.Topic, err = optionalText(topic, ErrTopicType); err != nil {
		return err
	}
	if h.Room, err = optionalText(room, ErrRoomType); err != nil {
		return err
	}
	switch {
	case h.Topic == "" && h.Room == "":
		return ErrHistoryOfNone
	case h.Topic != "" && h.Room != "":
		return ErrHistoryOfBoth
	}
	if h.Since, err = optionalPosition("since", since); err != nil {
		return err
	}
	if h.Until, err = optionalPosition("until", until); err != nil {
		return err
	}
	if h.Limit, err = whole(limit, MaxHistory, DefaultHistory, ErrHistoryLimit); err != nil {
		return err
	}
	h.Reverse, err = boolean(reverse, false, ErrReverseType)
	return err
}

// optionalPosition reads the position that a field holds, nil where there is none.
func optionalPosition(field, raw string) (*Position, error) {
	if isNull(raw) {
		return nil, nil
	}
	p, err := position(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return &p, nil
}
