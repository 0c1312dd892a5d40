package store

import (
	"sync"
	"time"
)

const (
	// MaxSessionID is the length of a session's ID at most, in bytes.
	MaxSessionID = 128

	sessionEvery = 250 * time.Millisecond // Run writes so often
	sessionLast  = time.Second            // what the last writing may take
	sessionBatch = 500                    // notes of one call
	sessionChunk = 1 << 20                // bytes of states of one call, unless one alone has more

	sessionMost      = 1 << 18   // notes that may wait to be written, with losses that wait to be told
	sessionMostBytes = 256 << 20 // of the states that wait

	// Records of live connections are refreshed so often, or twice in their ttl.
	refreshMost  = time.Minute
	refreshLeast = 10 * time.Second
)

// Session is what is needed to resume a client's connection on any gateway.
type Session struct {
	ID     string // 1 to MaxSessionID bytes of any kind; unique for its user
	User   string // not empty
	Holder string // which connection has it, not empty: never the same for two, nor for one that lost it
	State  []byte // opaque; not changed any more
}

// Sessions keeps the sessions of this process's connections in Redis, written behind, and takes over those that
// another connection, here or elsewhere, has had. A session has one holder: whoever began or took it last.
// What another one notes is not written, however late it comes, and the other one is told. It is safe for concurrent use, also
// by several processes. A Store has at most one Sessions.
//
// Each session is a record that belongs to its user, in Redis a hash: the same ID of another user is another session. A record lives for the
// time to live and Refresh while its holder does, and for the time to live from End on. When Redis has lost it,
// the holder's next note writes it anew.
type Sessions struct {
	store    *Store                  // static
	ttl      time.Duration           // static: after End
	lost     func(id, holder string) // static
	turn     chan struct{}           // holds one while notes are being written: they stay in order
	takeTurn chan struct{}           // likewise, while sessions are being taken

	memory    *memory // static: of an embedded store; nil: they are in Redis
	most      int     // static: sessionMost
	mostBytes int     // static: sessionMostBytes

	mu      sync.Mutex
	pending map[sessionID]*waiting // guarded by mu: notes that are not written yet
	notes   int                    // guarded by mu: in pending
	bytes   int                    // guarded by mu: of the states in pending
	n       uint64                 // guarded by mu: number of the latest note
	losses  []loss                 // guarded by mu: not told yet
	takes   []*taking              // guarded by mu: not under way yet; as many as there are calls of Take
}

// NewSessions returns the sessions in s, each of which can be resumed for ttl after its connection has ended. lost is told
// that a holder lost its session to another one, within some 250 ms of a note of it: Run calls it, one call at
// a time. It may be told twice, or of a connection that has ended.
func NewSessions(s *Store, ttl time.Duration, lost func(id, holder string)) *Sessions {
	n := &Sessions{
		store: s, ttl: ttl, lost: lost, turn: make(chan struct{}, 1), takeTurn: make(chan struct{}, 1),
		most: sessionMost, mostBytes: sessionMostBytes,
		pending: make(map[sessionID]*waiting),
	}
	if s.embedded != nil {
		n.memory = s.embedded.memory
	}
	return n
}

// Refresh is how often at least a live session has to be noted or touched: half the time to live, but within 10 s
// and a minute.
func (n *Sessions) Refresh() time.Duration { return min(max(n.ttl/2, refreshLeast), refreshMost) }

// live is how long a record outlives the last note of a connection that goes on.
func (n *Sessions) live() time.Duration { return n.ttl + n.Refresh() }

// Note remembers the newest state of a session until Run has written it. With begin, which is for the first
// note of a session that was not taken, it takes the record from whoever began or took it earlier; otherwise
// it is written where the record is s.Holder's, or gone. Note does no I/O. Where too much waits, which takes a Redis that
// is away, it is dropped and counted; what waits already stays.
func (n *Sessions) Note(s Session, begin bool) {
	w := waiting{Session: s}
	if begin {
		w.begun = time.Now()
	}
	n.put(w)
}

// Touch is Note of a session whose state has not changed since it was last noted: much cheaper, as the state is only
// written where Redis has lost it.
func (n *Sessions) Touch(s Session) { n.put(waiting{Session: s, touch: true}) }

// End is Note of a connection that has ended: nobody holds the session any more.
func (n *Sessions) End(s Session) { n.put(waiting{Session: s, ended: true}) }
