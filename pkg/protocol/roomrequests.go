package protocol

// JoinRoom is the data of a JoinRoom. Room aliases the frame.
type JoinRoom struct {
	Room   string
	Create bool // make the room where there is none; true unless the client says create:false
}

// Parse reads the data of an Envelope.
func (j *JoinRoom) Parse(data string) error {
	*j = JoinRoom{}
	var room, create string
	for key, raw := range members(data) {
		switch key {
		case "room":
			room = raw
		case "create":
			create = raw
		}
	}
	var err error
	if j.Room, err = text(room, ErrRoomMissing, ErrRoomType); err != nil {
		return err
	}
	j.Create, err = boolean(create, true, ErrCreateType)
	return err
}

// ParseRoom reads the room of a LeaveRoom or DeleteRoom. It aliases data.
func ParseRoom(data string) (room string, err error) {
	for key, raw := range members(data) {
		if key == "room" {
			room = raw
		}
	}
	return text(room, ErrRoomMissing, ErrRoomType)
}

// MemberChange is the data of an AddMember or RemoveMember. Its fields alias the frame.
type MemberChange struct{ Room, User string }

// Parse reads the data of an Envelope.
func (m *MemberChange) Parse(data string) error {
	*m = MemberChange{}
	var room, user string
	for key, raw := range members(data) {
		switch key {
		case "room":
			room = raw
		case "user":
			user = raw
		}
	}
	var err error
	if m.Room, err = text(room, ErrRoomMissing, ErrRoomType); err != nil {
		return err
	}
	m.User, err = text(user, ErrUserMissing, ErrUserType)
	return err
}

// RoomInfo is the data of a RoomInfo. Its strings alias the frame.
type RoomInfo struct {
	Room  string
	After string // list the members behind this one, the next of an earlier answer; empty: from the first
	Limit int    // members to list, 1 to MaxMembers; MaxMembers where the client names none
}

// Parse reads the data of an Envelope.
func (r *RoomInfo) Parse(data string) error {
	*r = RoomInfo{}
	var room, after, limit string
	for key, raw := range members(data) {
		switch key {
		case "room":
			room = raw
		case "after":
			after = raw
		case "limit":
			limit = raw
		}
	}
	var err error
	if r.Room, err = text(room, ErrRoomMissing, ErrRoomType); err != nil {
		return err
	}
	if r.After, err = optionalText(after, ErrAfterType); err != nil {
		return err
	}
	r.Limit, err = whole(limit, MaxMembers, MaxMembers, ErrLimit)
	return err
}
