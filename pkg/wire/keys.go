package wire

// A key is what an owner owns. A topic's is its name; the others begin with a control
// character, which no name of a client has, so that they cannot be taken for each other.
const (
	markUser  = '\x01'
	markRoom  = '\x02'
	markWatch = '\x03'
)

// UserKey is the key of a user.
func UserKey(user string) string { return string(AppendUserKey(nil, user)) }

// AppendUserKey appends the key of a user.
func AppendUserKey(b []byte, user string) []byte { return append(append(b, markUser), user...) }

// RoomKey is the key of a room.
func RoomKey(room string) string { return string(AppendRoomKey(nil, room)) }

// AppendRoomKey appends the key of a room.
func AppendRoomKey(b []byte, room string) []byte { return append(append(b, markRoom), room...) }

// WatchKey is what those who watch a user are interested in. Its owner is the user's.
func WatchKey(user string) string { return string(markWatch) + user }

// IsTopic reports whether a key is a topic's.
func IsTopic(key string) bool { return !IsUser(key) && !IsRoom(key) && !IsWatch(key) }

// IsUser reports whether a key is a user's.
func IsUser(key string) bool { return len(key) > 0 && key[0] == markUser }

// IsRoom reports whether a key is a room's.
func IsRoom(key string) bool { return len(key) > 0 && key[0] == markRoom }

// IsWatch reports whether a key is that of watching a user.
func IsWatch(key string) bool { return len(key) > 0 && key[0] == markWatch }

// Name is the name in the key of a user, of a room, or of watching a user.
func Name(key string) string { return key[1:] }

// OwnerKey is the key that decides who owns a key.
func OwnerKey(key string) string {
	if IsWatch(key) {
		return UserKey(Name(key))
	}
	return key
}
