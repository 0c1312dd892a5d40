package protocol

import "errors"

// Bounds of the messages about presence.
const (
	MaxUsers            = 100  // users one GetPresence, WatchPresence or UnwatchPresence may name
	MaxPresenceMessage  = 256  // bytes of a user's message, decoded
	MaxPresenceMetadata = 1024 // bytes of a user's metadata, raw JSON
)

// Statuses of a user. A client sets all but StatusOffline, and others see all but
// StatusInvisible.
const (
	StatusOnline    = "online"
	StatusAway      = "away"
	StatusBusy      = "busy"
	StatusInvisible = "invisible"
	StatusOffline   = "offline"
)

// Errors of the data of the messages about presence, worded for the client.
var (
	ErrStatusMissing    = errors.New("status: missing")
	ErrStatus           = errors.New(`status: none of "online", "away", "busy", "invisible"`)
	ErrMessageType      = errors.New("message: not a string")
	ErrMessageLong      = errors.New("message: more than 256 bytes")
	ErrPresenceMetadata = errors.New("metadata: more than 1024 bytes")
	ErrUsersMissing     = errors.New("users: missing or empty")
	ErrUsersType        = errors.New("users: not an array of strings")
	ErrUsersMany        = errors.New("users: more than 100 in one message")
)

// SetPresence is the data of a SetPresence. Message and Metadata alias the frame.
type SetPresence struct {
	Status   string // StatusOnline, StatusAway, StatusBusy or StatusInvisible: the constant itself
	Message  string // at most MaxPresenceMessage bytes; empty: none
	Metadata string // raw JSON object of at most MaxPresenceMetadata bytes; empty: none
}

// Parse reads the data of an Envelope.
func (s *SetPresence) Parse(data string) error {
	*s = SetPresence{}
	var status, message, metadata string
	for key, raw := range members(data) {
		switch key {
		case "status":
			status = raw
		case "message":
			message = raw
		case "metadata":
			metadata = raw
		}
	}
	name, err := text(status, ErrStatusMissing, ErrStatus)
	if err != nil {
		return err
	}
	switch name {
	case StatusOnline:
		s.Status = StatusOnline
	case StatusAway:
		s.Status = StatusAway
	case StatusBusy:
		s.Status = StatusBusy
	case StatusInvisible:
		s.Status = StatusInvisible
	default:
		return ErrStatus
	}
	if s.Message, err = optionalText(message, ErrMessageType); err != nil {
		return err
	}
	if len(s.Message) > MaxPresenceMessage {
		return ErrMessageLong
	}
	s.Metadata, err = object(metadata, MaxPresenceMetadata, ErrMetadataType, ErrPresenceMetadata)
	return err
}

// ParseUsers reads the users of a GetPresence, WatchPresence or UnwatchPresence, 1 to
// MaxUsers of them, as they stand there: one may come twice. The strings alias data.
func ParseUsers(data string) ([]string, error) {
	var raw string
	for key, value := range members(data) {
		if key == "users" {
			raw = value
		}
	}
	users, err := texts(raw, MaxUsers, ErrUsersType, ErrUsersMany)
	if err == nil && len(users) == 0 {
		err = ErrUsersMissing
	}
	return users, err
}
