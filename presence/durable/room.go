package durable

// Room is a durable room as it was at its Revision.
type Room struct {
	Name      string // 1–255 bytes
	Owner     string // a user
	Private   bool
	Capacity  int // members at most; 0: no bound
	Metadata  []byte
	CreatedAt int64 // Unix ms; with Owner it tells a repeated Create from another
	Members   map[string]Member
	Revision  uint64 // what the next write has to give; never 0
}

// Member is what a room knows of one user.
type Member struct {
	Joined  bool   // false: only invited
	Version uint64 // given by the caller, kept
}
