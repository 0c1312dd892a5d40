package protocol

import "errors"

// Errors of a DirectMessage's data, worded for the client.
var (
	ErrTargetMissing = errors.New("target_user: missing")
	ErrTargetType    = errors.New("target_user: not a string")
)

// DirectMessage is the data of a DirectMessage. Its fields alias the frame.
type DirectMessage struct {
	Target  string // the user it goes to
	Payload string // raw JSON, any value
}

// Parse reads the data of an Envelope.
func (d *DirectMessage) Parse(data string) error {
	*d = DirectMessage{}
	var target string
	for key, raw := range members(data) {
		switch key {
		case "target_user":
			target = raw
		case "payload":
			d.Payload = raw
		}
	}
	var err error
	if d.Target, err = text(target, ErrTargetMissing, ErrTargetType); err != nil {
		return err
	}
	if d.Payload == "" {
		return ErrPayloadMissing
	}
	return nil
}
