package protocol

import (
	"errors"
	"slices"
)

// Bounds of a room's messages.
const (
	MaxMembers      = 100       // members one CreateRoom may name, and one RoomInfo lists
	MaxCapacity     = 1_000_000 // members a room may be made for
	MaxRoomMetadata = 4096      // bytes of a room's metadata, raw JSON
)

// Visibilities of a room.
const (
	visibilityPublic  = "public"
	visibilityPrivate = "private"
)

// Errors of the data of a room's messages, worded for the client.
var (
	ErrRoomMissing  = errors.New("room: missing")
	ErrRoomType     = errors.New("room: not a string")
	ErrUserMissing  = errors.New("user: missing")
	ErrUserType     = errors.New("user: not a string")
	ErrVisibility   = errors.New(`visibility: neither "public" nor "private"`)
	ErrDurableType  = errors.New("durable: not a boolean")
	ErrCapacity     = errors.New("capacity: not a whole number from 1 to 1000000")
	ErrMetadataType = errors.New("metadata: not an object")
	ErrRoomMetadata = errors.New("metadata: more than 4096 bytes")
	ErrMembersType  = errors.New("members: not an array of strings")
	ErrMembersMany  = errors.New("members: more than 100 in one message")
	ErrCreateType   = errors.New("create: not a boolean")
	ErrAfterType    = errors.New("after: not a string")
	ErrLimit        = errors.New("limit: not a whole number from 1 to 100")
)

// CreateRoom is the data of a CreateRoom. Its fields alias the frame.
type CreateRoom struct {
	Room     string
	Private  bool // only those whom the owner adds may join
	Durable  bool
	Capacity int      // members it may have, at most MaxCapacity; 0: no bound of its own
	Metadata string   // raw JSON object of at most MaxRoomMetadata bytes; empty: none
	Members  []string // those to add at once, none twice, at most MaxMembers
}

// Parse reads the data of an Envelope.
func (c *CreateRoom) Parse(data string) error {
	*c = CreateRoom{}
	var room, visibility, durable, capacity, metadata, list string
	for key, raw := range members(data) {
		switch key {
		case "room":
			room = raw
		case "visibility":
			visibility = raw
		case "durable":
			durable = raw
		case "capacity":
			capacity = raw
		case "metadata":
			metadata = raw
		case "members":
			list = raw
		}
	}
	var err error
	if c.Room, err = text(room, ErrRoomMissing, ErrRoomType); err != nil {
		return err
	}
	if c.Private, err = private(visibility); err != nil {
		return err
	}
	if c.Durable, err = boolean(durable, false, ErrDurableType); err != nil {
		return err
	}
	if c.Capacity, err = whole(capacity, MaxCapacity, 0, ErrCapacity); err != nil {
		return err
	}
	if c.Metadata, err = object(metadata, MaxRoomMetadata, ErrMetadataType, ErrRoomMetadata); err != nil {
		return err
	}
	named, err := texts(list, MaxMembers, ErrMembersType, ErrMembersMany)
	if err != nil {
		return err
	}
	for _, user := range named {
		if !slices.Contains(c.Members, user) { // MaxMembers are few
			c.Members = append(c.Members, user)
		}
	}
	return nil
}

// private reads a room's visibility; without one, a room is public.
func private(raw string) (bool, error) {
	if isNull(raw) {
		return false, nil
	}
	visibility, err := optionalText(raw, ErrVisibility)
	switch {
	case err != nil:
		return false, err
	case visibility != visibilityPublic && visibility != visibilityPrivate:
		return false, ErrVisibility
	}
	return visibility == visibilityPrivate, nil
}
